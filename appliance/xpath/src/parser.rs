//! Tokens to the compiled form.

use smallvec::SmallVec;

use crate::ast::{Ast, Axis, Function, Kind, Needs, Operator, Path, Start, Step};
use crate::context::Limits;
use crate::error::{Code, Error, Span};
use crate::lexer::{Sign, Token, Tokens, tokens};
use crate::names::Names;

/// Parses `text` whole.
pub(crate) fn parse(text: &str, names: &Names, limits: &Limits) -> Result<Ast, Error> {
    if text.len() > u32::MAX as usize / 2 || text.len() > limits.output {
        return Err(Error::new(Code::Limit, "The expression is too long (limit: output)."));
    }
    let mut found = Tokens::new();
    tokens(text, &mut found)?;
    let mut parser = Parser { tokens: &found, at: 0, names, depth: 0, limits };
    if parser.peek() == Token::End {
        return Err(Error::new(Code::Syntax, "The expression is empty."));
    }
    let ast = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(ast),
        _ => Err(parser.unexpected("the end of the expression")),
    }
}

/// Nesting of parentheses, calls and predicates while parsing; each level costs several stack frames.
const NESTING_MAX: u32 = 120;

enum Test<'t> {
    Name(&'t str),
    Any,
    AnyNode,
    Other(&'static str),
}

/// A path while its steps are read: written steps are turned into the few that evaluate.
struct Building {
    up: u32,
    steps: SmallVec<[Step; 4]>,
    /// Whether steps up may still come: only in front of all names, from a context node.
    rises: bool,
    /// The first construct that is not part of the dialect.
    unsupported: Option<&'static str>,
}

impl Building {
    fn from(start: &Start) -> Self {
        let rises = matches!(start, Start::Context | Start::Original);
        Building { up: 0, steps: SmallVec::new(), rises, unsupported: None }
    }

    fn refuse(&mut self, what: &'static str) {
        self.unsupported.get_or_insert(what);
    }

    fn rise(&mut self) {
        if self.rises && self.steps.is_empty() {
            self.up += 1;
        } else {
            self.refuse("parent step after a name");
        }
    }
}

struct Parser<'t> {
    tokens: &'t [(Token<'t>, Span)],
    at: usize,
    names: &'t Names,
    depth: u32,
    limits: &'t Limits,
}

impl<'t> Parser<'t> {
    #[inline]
    fn peek(&self) -> Token<'t> {
        self.tokens[self.at].0
    }

    #[inline]
    fn peek_after(&self) -> Token<'t> {
        self.tokens.get(self.at + 1).map_or(Token::End, |t| t.0)
    }

    #[inline]
    fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    fn is(&self, sign: Sign) -> bool {
        matches!(self.peek(), Token::Sign(s) if s == sign)
    }

    fn accept(&mut self, sign: Sign) -> bool {
        let found = self.is(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: Sign) -> Result<(), Error> {
        if self.accept(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{}`", sign.text()))) }
    }

    fn unexpected(&self, wanted: &str) -> Error {
        Error::new(Code::Syntax, format!("Expected {wanted} at byte {}.", self.tokens[self.at].1.start))
            .at(self.tokens[self.at].1)
    }

    fn start(&self) -> u32 {
        self.tokens[self.at].1.start
    }

    #[inline]
    fn span_from(&self, start: u32) -> Span {
        let end = self.at.checked_sub(1).map_or(start, |last| self.tokens[last].1.end);
        Span { start, end }
    }

    /// A part with nothing below it.
    #[inline]
    fn leaf(&self, start: u32, kind: Kind, needs: u8) -> Ast {
        Ast { kind, span: self.span_from(start), height: 1, needs }
    }

    fn binary(&self, start: u32, operator: Operator, left: Ast, right: Ast) -> Result<Ast, Error> {
        let height = left.height.max(right.height) + 1;
        let needs = left.needs | right.needs;
        let kind = Kind::Binary(operator, Box::new((left, right)));
        self.checked(Ast { kind, span: self.span_from(start), height, needs })
    }

    #[inline]
    fn checked(&self, ast: Ast) -> Result<Ast, Error> {
        if ast.height > self.limits.depth { Err(self.too_deep(self.limits.depth, ast.span)) } else { Ok(ast) }
    }

    #[cold]
    fn too_deep(&self, bound: u32, span: Span) -> Error {
        let message = format!("The expression nests more than {bound} levels (limit: depth).");
        Error::new(Code::Limit, message).at(span)
    }

    fn finish(&self, start: u32, kind: Kind) -> Result<Ast, Error> {
        let (mut height, mut needs) = (0, 0);
        let mut below = |ast: &Ast| {
            height = height.max(ast.height);
            needs |= ast.needs;
        };
        match &kind {
            Kind::Number(_) | Kind::Text(_) => {}
            Kind::Unsupported(_) => needs |= Needs::UNSUPPORTED,
            Kind::Variable(_) => needs |= Needs::VARIABLE,
            Kind::Negate(inner) => below(inner),
            Kind::Binary(_, sides) => {
                below(&sides.0);
                below(&sides.1);
            }
            Kind::Path(path) => {
                path.steps.iter().flat_map(|step| &step.predicates).for_each(below);
                needs |= match path.start {
                    Start::Context => Needs::NODE,
                    Start::Original => Needs::ORIGINAL,
                    Start::Root | Start::Instance(_) => Needs::DATA,
                };
            }
            Kind::Call(function, arguments) => {
                arguments.iter().for_each(below);
                needs |= Needs::CALL;
                needs |= match function {
                    Function::Now
                    | Function::Today
                    | Function::Random
                    | Function::Uuid
                    | Function::Sleep
                    | Function::Depend
                    | Function::EncryptString => Needs::VOLATILE,
                    Function::Position => Needs::NODE,
                    _ => 0,
                };
            }
            Kind::Host(_, arguments) => {
                arguments.iter().for_each(below);
                needs |= Needs::VOLATILE | Needs::CALL | Needs::NODE;
            }
        }
        self.checked(Ast { kind, span: self.span_from(start), height: height + 1, needs })
    }

    #[inline]
    fn enter(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > NESTING_MAX.min(self.limits.depth) {
            return Err(self.too_deep(NESTING_MAX, self.tokens[self.at].1));
        }
        Ok(())
    }

    /// An operand that is one token: a literal, `.`, or a name or `.` that no step, predicate or call follows.
    #[inline]
    fn simple(&mut self) -> Option<Ast> {
        let (token, span) = self.tokens[self.at];
        let path = |steps: Box<[Step]>| Kind::Path(Box::new(Path { start: Start::Context, up: 0, steps }));
        let ends = || match self.peek_after() {
            Token::Sign(sign) => !matches!(
                sign,
                Sign::Slash | Sign::Slashes | Sign::OpenBracket | Sign::Open | Sign::Axis | Sign::Union
            ),
            _ => true,
        };
        let (kind, needs) = match token {
            Token::Number(n) if ends() => (Kind::Number(n), 0),
            Token::Text(text) if ends() => (Kind::Text(text.into()), 0),
            Token::Sign(Sign::Dot) if ends() => (path(Box::default()), Needs::NODE),
            Token::Name(name) if ends() => {
                let name = Some(self.names.intern(name));
                (path(Box::new([Step { name, attribute: false, predicates: Vec::new() }])), Needs::NODE)
            }
            _ => return None,
        };
        self.advance();
        Some(Ast { kind, span, height: 1, needs })
    }

    #[inline]
    fn operator(&self) -> Option<(Operator, u8)> {
        let Token::Sign(sign) = self.peek() else { return None };
        Some(match sign {
            Sign::Or => (Operator::Or, 1),
            Sign::And => (Operator::And, 2),
            Sign::Equal => (Operator::Equal, 3),
            Sign::NotEqual => (Operator::NotEqual, 3),
            Sign::Less => (Operator::Less, 4),
            Sign::LessEqual => (Operator::LessEqual, 4),
            Sign::Greater => (Operator::Greater, 4),
            Sign::GreaterEqual => (Operator::GreaterEqual, 4),
            Sign::Plus => (Operator::Add, 5),
            Sign::Minus => (Operator::Subtract, 5),
            Sign::Multiply => (Operator::Multiply, 6),
            Sign::Div => (Operator::Divide, 6),
            Sign::Mod => (Operator::Modulo, 6),
            _ => return None,
        })
    }

    /// Operators of at least `level`; `or` and `and` group to the right, the others to the left.
    fn expression(&mut self, level: u8) -> Result<Ast, Error> {
        self.enter()?;
        let start = self.start();
        let mut left = self.unary()?;
        while let Some((operator, own)) = self.operator() {
            if own < level {
                break;
            }
            self.advance();
            let right = self.expression(if own <= 2 { own } else { own + 1 })?;
            left = self.binary(start, operator, left, right)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn unary(&mut self) -> Result<Ast, Error> {
        if let Some(simple) = self.simple() {
            return self.checked(simple);
        }
        let start = self.start();
        let mut signs = 0u32;
        while self.accept(Sign::Negate) {
            signs += 1;
        }
        let mut ast = self.union()?;
        for _ in 0..signs {
            ast = self.finish(start, Kind::Negate(Box::new(ast)))?;
        }
        Ok(ast)
    }

    fn union(&mut self) -> Result<Ast, Error> {
        let start = self.start();
        let mut left = self.path()?;
        while self.accept(Sign::Union) {
            self.path()?;
            left = self.finish(start, Kind::Unsupported("nodeset union operation".into()))?;
        }
        Ok(left)
    }

    fn path(&mut self) -> Result<Ast, Error> {
        let start = self.start();
        if self.accept(Sign::Slash) {
            if !self.starts_step() {
                return self.located(start, Start::Root, Building::from(&Start::Root));
            }
            return self.steps(start, Start::Root, false);
        }
        if self.accept(Sign::Slashes) {
            return self.steps(start, Start::Root, true);
        }
        if self.starts_primary() {
            return self.filter();
        }
        self.steps(start, Start::Context, false)
    }

    fn starts_step(&self) -> bool {
        match self.peek() {
            Token::Name(_) | Token::Wildcard | Token::PrefixWildcard(_) => true,
            Token::Sign(sign) => matches!(sign, Sign::Dot | Sign::Dots | Sign::At),
            _ => false,
        }
    }

    fn starts_primary(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Variable(_) => true,
            Token::Sign(Sign::Open) => true,
            Token::Name(name) => {
                matches!(self.peek_after(), Token::Sign(Sign::Open))
                    && !matches!(name, "node" | "text" | "comment" | "processing-instruction")
            }
            _ => false,
        }
    }

    fn filter(&mut self) -> Result<Ast, Error> {
        let start = self.start();
        let primary = self.primary()?;
        let predicates = self.predicates()?;
        let anywhere = self.is(Sign::Slashes);
        if self.accept(Sign::Slash) || self.accept(Sign::Slashes) {
            let what = match &primary.kind {
                Kind::Host(name, arguments) if predicates.is_empty() => match (&**name, &**arguments) {
                    ("current", []) => return self.steps(start, Start::Original, anywhere),
                    ("instance", [Ast { kind: Kind::Text(id), .. }]) => {
                        return self.steps(start, Start::Instance(id.clone()), anywhere);
                    }
                    ("instance", _) => "instance() without exactly one quoted id",
                    _ => "path below an expression",
                },
                _ => "path below an expression",
            };
            self.steps(start, Start::Root, anywhere)?;
            return self.finish(start, Kind::Unsupported(what.into()));
        }
        if predicates.is_empty() {
            return Ok(primary);
        }
        self.finish(start, Kind::Unsupported("filter expression".into()))
    }

    fn primary(&mut self) -> Result<Ast, Error> {
        let start = self.start();
        let token = self.peek();
        self.advance();
        match token {
            Token::Number(n) => self.checked(self.leaf(start, Kind::Number(n), 0)),
            Token::Text(text) => self.checked(self.leaf(start, Kind::Text(text.into()), 0)),
            Token::Variable(name) => self.finish(start, Kind::Variable(name.into())),
            Token::Name(name) => self.call(start, name),
            _ => {
                let inner = self.expression(0)?;
                self.expect(Sign::Close)?;
                Ok(inner)
            }
        }
    }

    fn call(&mut self, start: u32, name: &str) -> Result<Ast, Error> {
        self.expect(Sign::Open)?;
        let mut arguments = Vec::new();
        if !self.accept(Sign::Close) {
            loop {
                arguments.push(self.expression(0)?);
                if !self.accept(Sign::Comma) {
                    break;
                }
            }
            self.expect(Sign::Close)?;
        }
        let count = arguments.len();
        let arguments = arguments.into_boxed_slice();
        let Some(function) = Function::named(name) else {
            return self.finish(start, Kind::Host(name.into(), arguments));
        };
        let (least, most) = function.arity();
        let odd = match function {
            Function::Cond => count % 2 == 0,
            Function::WeightedChecklist => count % 2 == 1,
            _ => false,
        };
        let ast = self.finish(start, Kind::Call(function, arguments))?;
        if count < least || count > most || odd {
            return Err(arity_error(function, count).at(ast.span));
        }
        Ok(ast)
    }

    #[inline]
    fn predicates(&mut self) -> Result<Vec<Ast>, Error> {
        let mut predicates = Vec::new();
        while self.accept(Sign::OpenBracket) {
            predicates.push(self.expression(0)?);
            self.expect(Sign::CloseBracket)?;
        }
        Ok(predicates)
    }

    /// Reads the steps of a path from `from`; `anywhere` if `//` stood in front of them.
    fn steps(&mut self, start: u32, from: Start, anywhere: bool) -> Result<Ast, Error> {
        let mut path = Building::from(&from);
        if anywhere {
            path.refuse("//");
        }
        loop {
            self.step(&mut path)?;
            if self.accept(Sign::Slash) {
                continue;
            }
            if self.accept(Sign::Slashes) {
                path.refuse("//");
                continue;
            }
            return self.located(start, from, path);
        }
    }

    fn located(&self, start: u32, from: Start, path: Building) -> Result<Ast, Error> {
        match path.unsupported {
            Some(what) => self.finish(start, Kind::Unsupported(what.into())),
            None => self.finish(
                start,
                Kind::Path(Box::new(Path { start: from, up: path.up, steps: path.steps.into_boxed_slice() })),
            ),
        }
    }

    fn step(&mut self, path: &mut Building) -> Result<(), Error> {
        if self.accept(Sign::Dot) {
            return Ok(());
        }
        if self.accept(Sign::Dots) {
            path.rise();
            return Ok(());
        }
        let mut axis = Axis::Child;
        if self.accept(Sign::At) {
            axis = Axis::Attribute;
        } else if let Token::Name(name) = self.peek()
            && matches!(self.peek_after(), Token::Sign(Sign::Axis))
        {
            axis = Axis::parse(name).ok_or_else(|| self.unexpected("the name of an axis"))?;
            self.advance();
            self.advance();
        }
        let test = match self.peek() {
            Token::Wildcard => Test::Any,
            Token::PrefixWildcard(_) => Test::Other("namespace wildcard"),
            Token::Name(name) => {
                if matches!(self.peek_after(), Token::Sign(Sign::Open)) {
                    self.advance();
                    self.node_type(name)?
                } else {
                    Test::Name(name)
                }
            }
            _ => return Err(self.unexpected("a name, `*`, `.` or `..`")),
        };
        self.advance();
        let predicates = self.predicates()?;
        let attribute = axis == Axis::Attribute;
        match (axis, test) {
            (Axis::Parent, Test::AnyNode) if predicates.is_empty() => path.rise(),
            (Axis::SelfNode, Test::AnyNode) if predicates.is_empty() => {}
            (Axis::Child | Axis::Attribute, Test::Name(name)) => {
                let name = Some(self.names.intern(name));
                path.steps.push(Step { name, attribute, predicates });
            }
            (Axis::Child, Test::Any) => path.steps.push(Step { name: None, attribute, predicates }),
            (_, Test::Other(what)) => path.refuse(what),
            (Axis::Child, _) => path.refuse("node()"),
            (Axis::Attribute, _) => path.refuse("attribute wildcard"),
            (Axis::SelfNode | Axis::Parent, _) => path.refuse("step other than node()"),
            _ => path.refuse("axis"),
        }
        Ok(())
    }

    /// Leaves the closing parenthesis as the current token.
    fn node_type(&mut self, name: &str) -> Result<Test<'t>, Error> {
        let test = match name {
            "node" => Test::AnyNode,
            "text" => Test::Other("text()"),
            "comment" => Test::Other("comment()"),
            "processing-instruction" => Test::Other("processing-instruction()"),
            _ => return Err(self.unexpected("a node test")),
        };
        self.advance();
        if name == "processing-instruction" && matches!(self.peek(), Token::Text(_)) {
            self.advance();
        }
        if self.is(Sign::Close) { Ok(test) } else { Err(self.unexpected("`)`")) }
    }
}

/// The sentence for a wrong number of arguments.
fn arity_error(function: Function, count: usize) -> Error {
    let (least, most) = function.arity();
    let expected = match function {
        Function::Cond => "an odd number of arguments, at least 3".to_owned(),
        Function::WeightedChecklist => "an even number of arguments, at least 2".to_owned(),
        _ if least == most => format!("{least} arguments"),
        _ if most == usize::MAX => format!("at least {least} arguments"),
        _ => format!("{least} to {most} arguments"),
    };
    let name = function.name();
    Error::new(
        Code::Arity,
        format!(
            "The \"{name}\" function was provided the incorrect number of arguments:{count}. \
             It expected {expected}."
        ),
    )
}
