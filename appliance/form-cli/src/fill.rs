//! `bolster form fill`: a walk through a form, one question at a time.

use std::io::{BufRead, Write};
use std::sync::Arc;

use bolster_env::{Clock, Random};
use bolster_xforms::{
    Answer, Choice, FormDefinition, FormError, FormIndex, LoadOptions, OpenOptions, Position, Prompt,
    Session, Validation,
};

use crate::host::Machine;
use crate::{Error, FillCommand, read};

const HELP: &str = "\
  an answer, or the number of a choice (several: 1 3)      empty: leave it as it is and go on
  :back       the question before          :clear      take the answer away
  :new        make an entry of a repeat    :delete     delete the entry you are in
  :lang L     change the language          :go PATH    go to a question
  :finish     check and submit             :quit       stop, keeping a draft";

fn session_error(error: FormError) -> Error {
    let mut text = error.to_string();
    if let Some(node) = error.node.filter(|node| !text.contains(node.as_str())) {
        text.push_str(&format!(" (at {node})"));
    }
    if let Some(expression) = error.expression.filter(|e| !e.is_empty()) {
        text.push_str(&format!("\n  in: {expression}"));
    }
    Error::Session(text)
}

/// What a line asks for.
enum Next {
    On,
    Back,
    Stay,
    Finish,
    Quit,
}

struct Walk<'w> {
    session: Session,
    host: &'w Machine<'w>,
    out: &'w mut dyn Write,
}

/// Fills in a form: prompts go to `out`, lines come from `input`. True if it was submitted.
///
/// Errors: the form cannot be used, an expression fails while it is opened, files or terminal break.
pub fn fill(
    command: &FillCommand,
    clock: &dyn Clock,
    random: &dyn Random,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<bool, Error> {
    let host = Machine::new(clock, random, &command.instances);
    let text = read(&command.file)?;
    let definition = FormDefinition::parse(&text, &LoadOptions::default(), &host)
        .map_err(|e| Error::Form { path: command.file.clone(), detail: e.to_string() })?;
    let saved = command.saved.as_deref().map(read).transpose()?;
    let options = OpenOptions {
        language: command.language.as_deref(),
        saved: saved.as_deref(),
        ..OpenOptions::default()
    };
    let opened = Session::open(&Arc::new(definition), &options, &host);
    if let Some(error) = host.broken.take() {
        return Err(error);
    }
    let session = opened.map_err(session_error)?;
    let title = session.definition().title().unwrap_or("Form").to_owned();
    writeln!(out, "{title}\n(:help lists what you can type)\n")?;
    let mut walk = Walk { session, host: &host, out };
    let submitted = walk.run(input)?;
    let xml = if submitted { walk.session.submission(&host) } else { walk.session.draft(&host) };
    let xml = xml.map_err(session_error)?;
    match &command.out {
        Some(path) => {
            std::fs::write(path, xml + "\n").map_err(|source| Error::Write { path: path.clone(), source })?;
            let what = if submitted { "submission" } else { "draft" };
            writeln!(out, "The {what} is in {}.", path.display())?;
        }
        None => writeln!(out, "{xml}")?,
    }
    Ok(submitted)
}

impl Walk<'_> {
    fn run(&mut self, input: &mut dyn BufRead) -> Result<bool, Error> {
        self.session.step(self.host).map_err(session_error)?;
        loop {
            let asks = self.show()?;
            if !asks {
                self.session.step(self.host).map_err(session_error)?;
                continue;
            }
            let mut line = String::new();
            write!(self.out, "> ")?;
            self.out.flush()?;
            if input.read_line(&mut line)? == 0 {
                writeln!(self.out)?;
                // Answers from a file end where the form does: that is as good as Enter.
                return if *self.session.current() == FormIndex::End { self.finish() } else { Ok(false) };
            }
            // A failing answer changes nothing; the person may try another one.
            let next = match self.obey(line.trim_end_matches(['\r', '\n'])) {
                Ok(next) => next,
                Err(Error::Session(what)) => {
                    writeln!(self.out, "! {what}")?;
                    Next::Stay
                }
                Err(other) => return Err(other),
            };
            match next {
                Next::On => self.forward()?,
                Next::Back => self.backward()?,
                Next::Stay => {}
                Next::Finish if self.finish()? => return Ok(true),
                Next::Finish => {}
                Next::Quit => return Ok(false),
            }
        }
    }

    fn forward(&mut self) -> Result<(), Error> {
        if let Err(error) = self.session.step(self.host) {
            writeln!(self.out, "! {error}")?;
        }
        Ok(())
    }

    /// Back to the last position that asks something.
    fn backward(&mut self) -> Result<(), Error> {
        loop {
            if let Err(error) = self.session.step_back(self.host) {
                writeln!(self.out, "! {error}")?;
                return Ok(());
            }
            let current = self.session.current().clone();
            match self.session.outline(&current) {
                Some(("question" | "new-repeat", _)) => return Ok(()),
                None if current == FormIndex::Beginning => return self.forward(),
                _ => {}
            }
        }
    }

    /// Shows the current position; true if it asks for something.
    fn show(&mut self) -> Result<bool, Error> {
        let index = self.session.current().clone();
        match self.session.describe(&index, self.host) {
            Err(error) => {
                writeln!(self.out, "! this position cannot be shown: {error}")?;
                Ok(true)
            }
            Ok(Position::Beginning) => Ok(false),
            Ok(Position::End) => {
                writeln!(
                    self.out,
                    "End of the form. Enter submits it, :back goes back, :quit keeps a draft."
                )?;
                Ok(true)
            }
            Ok(Position::Group(group)) => {
                if let Some(caption) = &group.caption {
                    writeln!(self.out, "== {caption}")?;
                }
                Ok(false)
            }
            Ok(Position::Repeat(repeat)) => {
                writeln!(self.out, "== {}", repeat.header.unwrap_or_default())?;
                Ok(false)
            }
            Ok(Position::NewRepeat(slot) | Position::Juncture(slot)) => {
                let add = slot.add_caption.unwrap_or_default();
                writeln!(self.out, "{add}? :new makes one, Enter goes on ({}).", slot.done_caption)?;
                Ok(true)
            }
            Ok(Position::Question(prompt)) => {
                self.show_question(&prompt)?;
                Ok(true)
            }
        }
    }

    fn show_question(&mut self, prompt: &Prompt) -> Result<(), Error> {
        let caption = prompt.caption.as_deref().unwrap_or(&prompt.reference);
        let marks = match (prompt.required, prompt.readonly) {
            (true, _) => " *",
            (_, true) => " (read only)",
            _ => "",
        };
        writeln!(self.out, "{caption}{marks}")?;
        if let Some(hint) = &prompt.hint {
            writeln!(self.out, "  ({hint})")?;
        }
        for (number, choice) in prompt.choices.iter().enumerate() {
            let label = choice.label.as_deref().unwrap_or("-");
            writeln!(self.out, "  {}. {label} [{}]", number + 1, choice.value)?;
        }
        if let Some(answer) = &prompt.answer {
            writeln!(self.out, "  now: {answer}")?;
        }
        Ok(())
    }

    fn obey(&mut self, line: &str) -> Result<Next, Error> {
        let index = self.session.current().clone();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            ":help" => writeln!(self.out, "{HELP}")?,
            ":back" => return Ok(Next::Back),
            ":quit" => return Ok(Next::Quit),
            ":finish" => return Ok(Next::Finish),
            ":lang" if self.session.set_language(rest.trim()) => {}
            ":lang" => {
                let known: Vec<String> = self.session.definition().languages().map(str::to_owned).collect();
                writeln!(self.out, "! The form has the languages {}.", known.join(", "))?;
            }
            ":go" => match self.session.index_of(rest.trim()) {
                Some(index) => self.session.go_to(&index, self.host).map_err(session_error)?,
                None => writeln!(self.out, "! Nothing is bound to {}.", rest.trim())?,
            },
            ":new" => self.session.new_repeat(&index, self.host).map_err(session_error)?,
            ":delete" => self.session.delete_repeat(&index, self.host).map_err(session_error)?,
            ":clear" => return self.answer(&index, None),
            _ if line.starts_with(':') => writeln!(self.out, "! I do not know {word}.\n{HELP}")?,
            "" if index == FormIndex::End => return Ok(Next::Finish),
            "" => return self.keep(&index),
            _ => return self.answer(&index, Some(line)),
        }
        Ok(Next::Stay)
    }

    /// Going on without an answer; a question that needs one says so.
    fn keep(&mut self, index: &FormIndex) -> Result<Next, Error> {
        if let Ok(Position::Question(prompt)) = self.session.describe(index, self.host)
            && prompt.required
            && prompt.answer.is_none()
        {
            writeln!(self.out, "! An answer is required.")?;
            return Ok(Next::Stay);
        }
        Ok(Next::On)
    }

    fn answer(&mut self, index: &FormIndex, text: Option<&str>) -> Result<Next, Error> {
        let described = self.session.describe(index, self.host).map_err(session_error)?;
        let Position::Question(prompt) = described else {
            writeln!(self.out, "! There is nothing to answer here.")?;
            return Ok(Next::Stay);
        };
        if prompt.readonly {
            writeln!(self.out, "! This question is read only.")?;
            return Ok(Next::Stay);
        }
        let chosen = match text {
            Some(text) if prompt.control.is_select() => match choose(text, &prompt.choices) {
                Ok(values) => Some(values),
                Err(unknown) => {
                    writeln!(self.out, "! {unknown} is none of the choices.")?;
                    return Ok(Next::Stay);
                }
            },
            text => text.map(str::to_owned),
        };
        let answer = self.session.answer(index, chosen.as_deref(), self.host).map_err(session_error)?;
        Ok(match answer {
            Answer::Accepted => Next::On,
            refused => {
                self.refuse(refused)?;
                Next::Stay
            }
        })
    }

    fn refuse(&mut self, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Accepted => {}
            Answer::BadInput(what) => writeln!(self.out, "! {what}")?,
            Answer::Required => writeln!(self.out, "! An answer is required.")?,
            Answer::Constraint { message, .. } => {
                writeln!(self.out, "! {}", message.as_deref().unwrap_or("This answer is not allowed."))?;
            }
        }
        Ok(())
    }

    /// Checks everything; true if the form is done.
    fn finish(&mut self) -> Result<bool, Error> {
        let done = self.session.validate(self.host).and_then(|validation| match validation {
            Validation::Valid => self.session.finalize(self.host).map(|()| None),
            Validation::Invalid(answer) => Ok(Some(answer)),
        });
        match done {
            Ok(None) => return Ok(true),
            Ok(Some(answer)) => self.refuse(answer)?,
            Err(error) => writeln!(self.out, "! {error}")?,
        }
        Ok(false)
    }
}

/// Values of choices from their values or numbers.
fn choose(text: &str, choices: &[Choice]) -> Result<String, String> {
    let mut values = Vec::new();
    for word in text.split_whitespace() {
        let by_value = choices.iter().find(|choice| choice.value == word);
        let number = word.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        match by_value.or_else(|| number.and_then(|n| choices.get(n))) {
            Some(choice) => values.push(choice.value.as_str()),
            None => return Err(word.to_owned()),
        }
    }
    Ok(values.join(" "))
}
