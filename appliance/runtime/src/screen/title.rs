//! Titles.

use crate::env::{Cx, Env, Scope};
use crate::error::Error;
use crate::locale::fill;
use crate::session::{Session, StepKind};

/// The name of the latest menu or entry on the way, else of the application. Nothing if a name cannot be had.
pub fn best_title(session: &Session, cx: &Cx<'_>) -> Option<String> {
    let scope = Scope::default();
    let env = Env::new(cx, &scope);
    let steps = session.resolved(cx.app);
    for step in steps.iter().rev().filter(|step| step.kind == StepKind::Command) {
        match name_of(&step.id, &env) {
            Ok(Some(title)) => return Some(title),
            Ok(None) => {}
            Err(_) => return None,
        }
    }
    Some(cx.title())
}

fn name_of(command: &str, env: &Env<'_>) -> Result<Option<String>, Error> {
    let menu = env.cx.app.menus.iter().rev().find(|menu| *menu.id == *command);
    let display = match menu {
        Some(menu) => &menu.display,
        None => match env.cx.app.entries.get(command) {
            Some(entry) => &entry.display,
            None => return Ok(None),
        },
    };
    let text = display.text.plain(env)?;
    Ok(Some(fill(&text, &[String::new()]).trim().to_owned()))
}
