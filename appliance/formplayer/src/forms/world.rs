//! What a form is given: instances, the clock, functions with fixed results.

use std::sync::Arc;

use bolster_runtime::{App, Frame, Place, Slot, Step, StepKind};
use bolster_xforms::{External, ExternalError, FormHost};
use bolster_xpath::{Context, Error, Handler, Host, Names, NodeRef, Value, Zone, dates};

use super::Record;
use crate::world::RequestWorld;

/// The host of one form during one request.
pub(crate) struct FormWorld<'f> {
    world: &'f RequestWorld<'f>,
    app: Option<&'f App>,
    frame: Frame,
    data: Arc<Vec<(String, String)>>,
    language: String,
    window_width: Option<String>,
    fixed: Vec<Fixed>,
}

/// A function with a fixed result.
struct Fixed {
    name: String,
    value: String,
}

impl<'f> FormWorld<'f> {
    /// The host of the form of a record.
    pub fn new(world: &'f RequestWorld<'f>, record: &Record, app: Option<&'f App>) -> Self {
        let frame = match (&record.session, app) {
            (Some(session), _) => session.frame.clone(),
            (None, _) => Frame {
                steps: record
                    .data
                    .iter()
                    .map(|(key, value)| Step::new(StepKind::Computed, key.as_str(), Some(value.clone())))
                    .collect(),
                ..Frame::default()
            },
        };
        let data = match app {
            Some(app) => frame.session_data(app),
            None => record.data.clone(),
        };
        let fixed = record.functions.iter().map(|(name, value)| Fixed {
            name: name.trim_end_matches("()").to_owned(),
            value: value.clone(),
        });
        FormWorld {
            world,
            app,
            frame,
            data: Arc::new(data),
            language: record.menu_language.clone(),
            window_width: record.window_width.clone(),
            fixed: fixed.collect(),
        }
    }
}

impl Host for FormWorld<'_> {
    fn now_ms(&self) -> i64 {
        self.world.now_ms()
    }

    fn offset_ms(&self, zone: Zone, utc_ms: i64) -> i64 {
        self.world.offset_ms(zone, utc_ms)
    }

    fn random(&self) -> f64 {
        self.world.random()
    }

    fn uuid(&self, length: Option<usize>) -> String {
        self.world.uuid(length)
    }

    fn locale_text(&self, key: &str) -> Option<String> {
        self.app?.locales.get(&self.language, key).map(str::to_owned)
    }

    fn handler(&self, name: &str) -> Option<&dyn Handler> {
        self.fixed.iter().find(|fixed| fixed.name == name).map(|fixed| fixed as &dyn Handler)
    }

    fn has_handlers(&self) -> bool {
        !self.fixed.is_empty()
    }
}

impl Handler for Fixed {
    fn call<'a>(
        &self,
        _name: &str,
        _arguments: &[Value<'a>],
        _here: Option<NodeRef<'a>>,
        context: &Context<'a>,
    ) -> Result<Value<'a>, Error> {
        let instant = dates::parse(&self.value, context.host)
            .ok_or_else(|| Error::type_mismatch(format!("{} is not a date", self.value)))?;
        Ok(Value::Date(if self.name.contains("now") {
            instant
        } else {
            dates::start_of_day(instant, context.host)
        }))
    }
}

impl FormHost for FormWorld<'_> {
    fn external(&self, id: &str, source: &str, names: &Names) -> Result<External, ExternalError> {
        let slot = Slot::of(id, source, &self.frame, &self.data);
        let place = Place {
            names,
            app: self.app,
            world: self.world,
            language: &self.language,
            window_width: self.window_width.as_deref(),
        };
        match (slot.open(&place), slot) {
            (Some(source), _) => Ok(source),
            (None, Slot::Fixture(_)) => {
                Err(ExternalError::Missing(format!("Unable to find lookup table: {source}")))
            }
            (None, _) => Err(ExternalError::Unknown),
        }
    }

    fn send(&self, resource: &str, parameters: Option<&[(String, String)]>) -> Option<String> {
        let mut url = resource.to_owned();
        for (number, (key, value)) in parameters.into_iter().flatten().enumerate() {
            url.push(if number == 0 && !resource.contains('?') { '?' } else { '&' });
            url.push_str(&format!("{}={}", escaped(key), escaped(value)));
        }
        self.world.host.fetch(self.world.account, &url).ok()
    }
}

/// A part of a query string.
fn escaped(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}
