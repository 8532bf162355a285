//! The compiled form of an expression, and the table of built-in functions.

use crate::error::Span;
use crate::names::Name;

/// The thirteen axes; all parse, few evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Axis {
    Child,
    Descendant,
    Parent,
    Ancestor,
    FollowingSibling,
    PrecedingSibling,
    Following,
    Preceding,
    Attribute,
    Namespace,
    SelfNode,
    DescendantOrSelf,
    AncestorOrSelf,
}

impl Axis {
    pub(crate) fn parse(text: &str) -> Option<Axis> {
        Some(match text {
            "child" => Axis::Child,
            "descendant" => Axis::Descendant,
            "parent" => Axis::Parent,
            "ancestor" => Axis::Ancestor,
            "following-sibling" => Axis::FollowingSibling,
            "preceding-sibling" => Axis::PrecedingSibling,
            "following" => Axis::Following,
            "preceding" => Axis::Preceding,
            "attribute" => Axis::Attribute,
            "namespace" => Axis::Namespace,
            "self" => Axis::SelfNode,
            "descendant-or-self" => Axis::DescendantOrSelf,
            "ancestor-or-self" => Axis::AncestorOrSelf,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

#[derive(Clone, Debug)]
pub(crate) struct Ast {
    pub kind: Kind,
    pub span: Span,
    /// Height of the tree; bounds every recursion over it.
    pub height: u32,
    /// What the subtree touches; see [`Needs`].
    pub needs: u8,
}

/// Bits that say what a subtree touches.
pub(crate) struct Needs;

impl Needs {
    /// A path relative to the context node, or `position()`.
    pub const NODE: u8 = 1;
    /// `current()`.
    pub const ORIGINAL: u8 = 2;
    /// A path from the root of the main or a named instance (which may be tied to the context).
    pub const DATA: u8 = 4;
    /// The clock, randomness, unknown functions.
    pub const VOLATILE: u8 = 8;
    /// A variable.
    pub const VARIABLE: u8 = 16;
    /// A construct outside of the dialect.
    pub const UNSUPPORTED: u8 = 64;
    /// May raise; everything but literals, really.
    pub const CALL: u8 = 32;
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Number(f64),
    Text(Box<str>),
    Variable(Box<str>),
    Negate(Box<Ast>),
    Binary(Operator, Box<(Ast, Ast)>),
    Path(Box<Path>),
    Call(Function, Box<[Ast]>),
    /// A function that is not built in.
    Host(Box<str>, Box<[Ast]>),
    Unsupported(Box<str>),
}

#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// `/`.
    Root,
    /// Relative to the context node.
    Context,
    /// `current()/`.
    Original,
    /// `instance('id')/`.
    Instance(Box<str>),
}

#[derive(Clone, Debug)]
pub(crate) struct Path {
    pub start: Start,
    /// Leading `..` steps.
    pub up: u32,
    pub steps: Box<[Step]>,
}

#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// Nothing for `*`.
    pub name: Option<Name>,
    pub attribute: bool,
    pub predicates: Vec<Ast>,
}

macro_rules! functions {
    ($($variant:ident $name:literal $min:literal $max:expr;)*) => {
        /// The built-in functions.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Function { $($variant),* }

        impl Function {
            /// The function called `name`.
            pub fn named(name: &str) -> Option<Function> {
                match name {
                    $($name => Some(Function::$variant),)*
                    "is-selected" => Some(Function::Selected),
                    _ => None,
                }
            }

            /// The name it is called by.
            pub fn name(self) -> &'static str {
                match self { $(Function::$variant => $name),* }
            }

            /// The least and the greatest number of arguments.
            pub fn arity(self) -> (usize, usize) {
                match self { $(Function::$variant => ($min, $max)),* }
            }
        }
    };
}

impl Function {
    /// Whether every argument is used as one value and none is handed through or told from a node (as `format-date`
    /// does), so that a path to one node may come as the value of that node.
    pub(crate) fn takes_single_values(self) -> bool {
        use Function as F;
        matches!(
            self,
            F::Boolean
                | F::Number
                | F::Int
                | F::Text
                | F::Date
                | F::BooleanFromString
                | F::Selected
                | F::CountSelected
                | F::SelectedAt
                | F::Substr
                | F::SubstringBefore
                | F::SubstringAfter
                | F::StringLength
                | F::UpperCase
                | F::LowerCase
                | F::Contains
                | F::StartsWith
                | F::EndsWith
                | F::Translate
                | F::Replace
                | F::Regex
                | F::Abs
                | F::Ceiling
                | F::Floor
                | F::Round
                | F::Pow
        )
    }
}

const MANY: usize = usize::MAX;

functions! {
    True "true" 0 0;
    False "false" 0 0;
    Boolean "boolean" 1 1;
    Number "number" 1 1;
    Int "int" 1 1;
    Double "double" 1 1;
    Text "string" 1 1;
    Date "date" 1 1;
    BooleanFromString "boolean-from-string" 1 1;
    Not "not" 1 1;
    If "if" 3 3;
    Cond "cond" 3 MANY;
    Coalesce "coalesce" 1 MANY;
    Selected "selected" 2 2;
    CountSelected "count-selected" 1 1;
    SelectedAt "selected-at" 2 2;
    Join "join" 1 MANY;
    JoinChunked "join-chunked" 3 MANY;
    Concat "concat" 0 MANY;
    Substr "substr" 2 3;
    SubstringBefore "substring-before" 2 2;
    SubstringAfter "substring-after" 2 2;
    StringLength "string-length" 1 1;
    UpperCase "upper-case" 1 1;
    LowerCase "lower-case" 1 1;
    Contains "contains" 2 2;
    StartsWith "starts-with" 2 2;
    EndsWith "ends-with" 2 2;
    Translate "translate" 3 3;
    Replace "replace" 3 3;
    Regex "regex" 2 2;
    FormatDate "format-date" 2 2;
    FormatDateForCalendar "format-date-for-calendar" 2 3;
    Today "today" 0 0;
    Now "now" 0 0;
    Count "count" 1 1;
    Sum "sum" 1 1;
    Min "min" 1 MANY;
    Max "max" 1 MANY;
    Abs "abs" 1 1;
    Ceiling "ceiling" 1 1;
    Floor "floor" 1 1;
    Round "round" 1 1;
    Log "log" 1 1;
    Log10 "log10" 1 1;
    Exp "exp" 1 1;
    Sqrt "sqrt" 1 1;
    Sin "sin" 1 1;
    Cos "cos" 1 1;
    Tan "tan" 1 1;
    Asin "asin" 1 1;
    Acos "acos" 1 1;
    Atan "atan" 1 1;
    Pow "pow" 2 2;
    Atan2 "atan2" 2 2;
    Pi "pi" 0 0;
    Random "random" 0 0;
    Uuid "uuid" 0 1;
    Position "position" 0 1;
    Checklist "checklist" 2 MANY;
    WeightedChecklist "weighted-checklist" 2 MANY;
    Depend "depend" 1 MANY;
    Distance "distance" 2 2;
    IsPointInsidePolygon "is-point-inside-polygon" 2 2;
    ClosestPointOnPolygon "closest-point-on-polygon" 2 2;
    IdCompress "id-compress" 5 5;
    Checksum "checksum" 2 2;
    Sort "sort" 1 2;
    SortBy "sort-by" 2 3;
    DistinctValues "distinct-values" 1 1;
    IndexOf "index-of" 2 2;
    EncryptString "encrypt-string" 3 3;
    DecryptString "decrypt-string" 3 3;
    JsonProperty "json-property" 2 2;
    Sleep "sleep" 2 2;
}
