//! The machine as the host of forms: its clock, its time zone, its random bytes, instances from files.

use std::cell::RefCell;

use bolster_env::{Clock, Random};
use bolster_xforms::{External, ExternalError, FormHost};
use bolster_xpath::{Datum, Host, Names, NodeId, Tree, Zone};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::instances;
use crate::{Error, NamedFile};

pub(crate) struct Machine<'m> {
    pub clock: &'m dyn Clock,
    pub random: &'m dyn Random,
    pub zone: TimeZone,
    pub files: &'m [NamedFile],
    /// What went wrong with a file while a form was opened.
    pub broken: RefCell<Option<Error>>,
}

impl<'m> Machine<'m> {
    pub fn new(clock: &'m dyn Clock, random: &'m dyn Random, files: &'m [NamedFile]) -> Self {
        Machine { clock, random, zone: TimeZone::system(), files, broken: RefCell::new(None) }
    }

    fn session(&self, names: &Names) -> Tree {
        let mut tree = Tree::new(names, names.intern("session"));
        let root = NodeId(0);
        tree.append(root, names.intern("data"));
        let context = tree.append(root, names.intern("context"));
        for (name, value) in [
            ("deviceid", "bolster-form-fill"),
            ("appversion", "bolster"),
            ("username", "author"),
            ("userid", "author"),
            ("drift", "0"),
            ("window_width", "1024"),
            ("applanguage", "en"),
        ] {
            let node = tree.append(context, names.intern(name));
            tree.set(node, Datum::text(value));
        }
        let user = tree.append(root, names.intern("user"));
        tree.append(user, names.intern("data"));
        tree
    }
}

impl Host for Machine<'_> {
    fn now_ms(&self) -> i64 {
        self.clock.now().0.div_euclid(1000)
    }

    fn offset_ms(&self, _zone: Zone, utc_ms: i64) -> i64 {
        let at = utc_ms.clamp(Timestamp::MIN.as_millisecond() + 1, Timestamp::MAX.as_millisecond() - 1);
        let at = Timestamp::from_millisecond(at).unwrap_or(Timestamp::UNIX_EPOCH);
        i64::from(self.zone.to_offset(at).seconds()) * 1000
    }

    fn random(&self) -> f64 {
        let bits = u64::from_le_bytes(bolster_env::random::bytes(self.random)) >> 11;
        bits as f64 / (1u64 << 53) as f64
    }

    fn uuid(&self, length: Option<usize>) -> String {
        if let Some(length) = length {
            const SYMBOLS: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
            let length = length.min(1024);
            return (0..length)
                .map(|_| {
                    char::from(SYMBOLS[usize::from(bolster_env::random::bytes::<1>(self.random)[0]) % 36])
                })
                .collect();
        }
        let mut bytes: [u8; 16] = bolster_env::random::bytes(self.random);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

impl FormHost for Machine<'_> {
    fn external(&self, id: &str, source: &str, names: &Names) -> Result<External, ExternalError> {
        if let Some(named) = self.files.iter().find(|file| file.name == id) {
            return match instances::load(id, Some(source), &named.file, names, self) {
                Ok(Some(data)) => Ok(data),
                Ok(None) => Err(ExternalError::Missing(format!(
                    "{} holds no data for the instance \"{id}\" ({source}).",
                    named.file.display()
                ))),
                Err(error) => {
                    let sentence = error.to_string();
                    self.broken.replace(Some(error));
                    Err(ExternalError::Missing(sentence))
                }
            };
        }
        match source {
            "jr://instance/session" => Ok(std::sync::Arc::new(self.session(names))),
            _ => Err(ExternalError::Missing(format!(
                "The form reads the instance \"{id}\" ({source}); give its data with --instance {id}=FILE."
            ))),
        }
    }
}
