//! From a frame to the selections that lead there.

use super::{Navigator, Options, QueryInputs};
use crate::error::Error;
use crate::screen::Screen;
use crate::session::{Step, StepKind};

impl Navigator<'_> {
    /// Walks from the root to where the current frame is, choosing what its steps say. Steps that match no choice cut
    /// the walk short. Gives the screen it ends at.
    pub(super) fn rebuild(&mut self, respect_relevancy: bool) -> Result<Option<Screen>, Error> {
        let steps = self.session.frame.steps.clone();
        let steps: Vec<Step> = {
            let resolved = self.session.resolved(self.cx.app);
            if resolved.len() == steps.len() { resolved } else { steps }
        };
        self.reset();
        let options = Options { ignore_relevancy: !respect_relevancy, ..Options::default() };
        // Lists have rows from the last step of the frame on.
        self.passing = true;
        let mut processed = 0;
        let walked = self.walk_frame(&steps, &options, respect_relevancy, &mut processed);
        self.passing = false;
        walked
    }

    fn walk_frame(
        &mut self,
        steps: &[Step],
        options: &Options<'_>,
        respect_relevancy: bool,
        processed: &mut usize,
    ) -> Result<Option<Screen>, Error> {
        let mut screen = self.next_screen(options)?;
        while let Some(current) = screen.clone() {
            let mut input = None;
            match &current {
                Screen::Menu(menu) => {
                    let choices = menu.choices(respect_relevancy);
                    if self.auto_advances()
                        && let [only] = choices
                    {
                        self.session.set_command(self.cx.app, only.command());
                        screen = self.next_screen(options)?;
                        continue;
                    }
                    for (at, item) in choices.iter().enumerate() {
                        for _ in steps.iter().filter(|step| step.id == item.command()) {
                            input = Some(at.to_string());
                            *processed += 1;
                            self.passing = *processed != steps.len();
                        }
                    }
                }
                Screen::Entity(entity) => {
                    let mut list = entity.borrow_mut();
                    list.init(self.cx)?;
                    let step = steps.iter().find(|step| *step.id == *list.datum.id);
                    if let Some(value) = step.and_then(|step| step.value.as_deref())
                        && list.contains(value, self.cx)?
                    {
                        input = Some(value.to_owned());
                        *processed += 1;
                        self.passing = *processed != steps.len();
                    }
                    list.evaluate_auto_launch(input.as_deref().unwrap_or_default(), self.cx)?;
                    if list.skip
                        && let Some(input) = &input
                    {
                        drop(list);
                        self.handle(Some(current.clone()), input, true, false, options)?;
                        screen = self.next_screen(options)?;
                        continue;
                    }
                }
                Screen::Query(query) => {
                    let mut query = query.borrow_mut();
                    let Some(step) = steps.iter().find(|step| *step.id == *query.datum.id) else {
                        return Ok(screen.clone());
                    };
                    let mut search = query.search(step.parameters.clone(), &self.session, self.cx)?;
                    search.url = step.value.clone().unwrap_or(search.url);
                    let results = self.cx.world.search(&search, false)?;
                    query.finish(search, results, &mut self.session, self.cx)?;
                    drop(query);
                    screen = self.next_screen(options)?;
                    continue;
                }
                Screen::Post(_) => {}
            }
            let Some(input) = input else { break };
            self.handle(Some(current), &input, true, false, options)?;
            self.selections.push(input);
            screen = self.next_screen(options)?;
        }
        Ok(screen)
    }

    /// What a client would have entered into the searches of a frame.
    pub(super) fn queries_of(&self, walked: &[Step], wanted: &[Step]) -> Vec<QueryInputs> {
        let mut out = Vec::new();
        let mut command = "";
        for step in walked {
            match step.kind {
                StepKind::Command => command = &step.id,
                StepKind::Query => {
                    let Some(query) =
                        wanted.iter().find(|other| other.kind == StepKind::Query && other.id == step.id)
                    else {
                        continue;
                    };
                    out.push(QueryInputs {
                        key: format!("{command}_{}", step.id),
                        inputs: Some(joined(&query.parameters)),
                        execute: true,
                        force_manual: true,
                        extras: query.parameters.clone(),
                    });
                }
                _ => {}
            }
        }
        out
    }
}

/// Parameters as answers: several values of one name are one answer.
fn joined(parameters: &[(String, String)]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    for (key, value) in parameters {
        match out.iter_mut().find(|(known, _)| known == key) {
            Some(known) => {
                known.1.push_str("#,#");
                known.1.push_str(value);
            }
            None => out.push((key.clone(), value.clone())),
        }
    }
    out
}
