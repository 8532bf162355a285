//! A form comes in.

use crate::Appliance;
use crate::upload::{FormUpload, SubmissionOutcome, SubmitFormError};
use crate::writer::{Job, SubmitJob};
use bolster_auth::{Actor, Method, Permit, Project};
use bolster_cases::State;
use bolster_changelog::fact_codec::{self, XmlRef};
use bolster_env::random;
use bolster_model::{CaseBlock, Digest, ParsedForm, RulesVersion};
use bolster_store::BlobPin;
use bolster_wire::Limits;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// XML up to this size is kept in the log entry itself, bigger ones as a blob.
pub const INLINE_XML_BYTES_MAX: usize = 64 << 10;
/// The user whose forms are demonstrations.
pub const DEMO_USER: &str = "demo_user";
/// The group of the demo user.
const DEMO_GROUP: &str = "demo_user_group_id";
/// Forms of this namespace are made by servers only.
const SYSTEM_ACTION_XMLNS: &str = "http://commcarehq.org/system/action";

impl Appliance {
    /// Stores a submission and calls back once it is durable (or refused). Whoever stored its attachments keeps
    /// their pins until then. The call itself parses, hashes and
    /// compresses, about 15 us for a small form; it blocks on the disk only for XML above
    /// [`INLINE_XML_BYTES_MAX`].
    pub fn submit(
        &self,
        permit: Permit<bolster_auth::SubmitForm>,
        upload: FormUpload,
        reply: impl FnOnce(Result<SubmissionOutcome, SubmitFormError>) + Send + 'static,
    ) {
        match self.prepare(&permit, upload, Box::new(reply)) {
            Ok(job) => {
                if let Err((Job::Submit(job), error)) = self.writer().send(Job::Submit(job)) {
                    (job.reply)(Err(error.into()));
                }
            }
            Err((reply, answer)) => reply(answer),
        }
    }

    /// Everything that needs no order: demo rules, parsing, digests, compression.
    fn prepare(
        &self,
        permit: &Permit<bolster_auth::SubmitForm>,
        upload: FormUpload,
        reply: crate::writer::SubmitReply,
    ) -> Result<Box<SubmitJob>, (crate::writer::SubmitReply, Result<SubmissionOutcome, SubmitFormError>)>
    {
        let project = permit.project();
        let FormUpload { project: project_id, xml, info, mode, refused } = upload;
        let parsed = match bolster_wire::parse_form(&xml, &Limits::default()) {
            _ if refused.is_some() => Err(refused.unwrap_or_default()),
            Ok(parsed) if parsed.xmlns == SYSTEM_ACTION_XMLNS => {
                Err(format!("Forms of {SYSTEM_ACTION_XMLNS} are not taken from clients"))
            }
            Ok(parsed) => Ok(Arc::new(parsed)),
            Err(error) => Err(error.to_string()),
        };
        if let Ok(parsed) = &parsed {
            match self.demo_rules(project, &mode, parsed) {
                Ok(None) if project.forbid_user_mismatch && speaks_for_another(permit.actor(), parsed) => {
                    let reason = "this project takes forms only from the user who filled them in".to_owned();
                    return Err((reply, Err(SubmitFormError::Forbidden { reason })));
                }
                Ok(None) => {}
                Ok(Some(outcome)) => return Err((reply, Ok(outcome))),
                Err(error) => return Err((reply, Err(error))),
            }
        }
        let xml_digest = Digest(Sha256::digest(&xml).into());
        let (xml_blob, pin) = match self.keep_big_xml(&xml) {
            Ok(blob) => blob.unzip(),
            Err(error) => return Err((reply, Err(error))),
        };
        // Its answer comes when the reference can be seen, or there will be none.
        let reply: crate::writer::SubmitReply = match pin {
            None => reply,
            Some(pin) => Box::new(move |answer| {
                drop(pin);
                reply(answer);
            }),
        };
        let xml_ref = match &xml_blob {
            Some(digest) => XmlRef::Blob { digest: *digest, len: xml.len() as u64 },
            None => XmlRef::Inline(&xml),
        };
        let salt = random::bytes::<16>(&*self.env().random);
        let xmlns = parsed.as_ref().map_or("", |p| p.xmlns.as_str());
        let payload = fact_codec::prepare_submission(salt, &info, xmlns, xml_ref, &xml_digest);
        Ok(Box::new(SubmitJob {
            project: project_id,
            rules: rules_of(project),
            several_projects: self.auth().project_count() > 1,
            parsed,
            info,
            xml_digest,
            xml_blob,
            salt,
            payload,
            reply,
        }))
    }

    fn keep_big_xml(&self, xml: &[u8]) -> Result<Option<(Digest, BlobPin)>, SubmitFormError> {
        if xml.len() <= INLINE_XML_BYTES_MAX {
            return Ok(None);
        }
        let mut staged = self.store().blobs().stage().map_err(blob_error)?;
        staged.write(xml).map_err(blob_error)?;
        let (info, pin) = staged.finish().map_err(blob_error)?;
        Ok(Some((info.digest, pin)))
    }

    /// What the demo switches make of a readable form: `Some` ends the matter.
    fn demo_rules(
        &self,
        project: &Project,
        mode: &crate::upload::SubmitMode,
        parsed: &ParsedForm,
    ) -> Result<Option<SubmissionOutcome>, SubmitFormError> {
        let user = parsed.meta.user_id.as_deref().unwrap_or_default();
        if mode.noauth
            && !parsed.is_device_log
            && let Some(reason) = self.harmful(project, user, parsed)?
        {
            let forbidden = SubmitFormError::Forbidden { reason };
            return if mode.demo { Ok(Some(SubmissionOutcome::Ignored)) } else { Err(forbidden) };
        }
        let demo_of_somebody = mode.demo && user != DEMO_USER;
        let ignore = self.settings().ignore_demo_submissions() || project.ignore_practice_submissions;
        let practice = ignore && (user == DEMO_USER || self.auth().is_practice_user(project.id, user));
        Ok((demo_of_somebody || practice).then_some(SubmissionOutcome::Ignored))
    }

    /// Why a form may not come without credentials; `None` when it may.
    fn harmful(
        &self,
        project: &Project,
        user: &str,
        parsed: &ParsedForm,
    ) -> Result<Option<String>, SubmitFormError> {
        if user != DEMO_USER {
            return Ok(Some("only forms of the demo user are taken without credentials".to_owned()));
        }
        let view = self.store().view();
        let memo = crate::writer::Memo::default();
        let state = crate::writer::ProjectState {
            read: &view,
            store: self.store(),
            project: project.id,
            memo: &memo,
        };
        let storage = |e: bolster_store::StoreError| SubmitFormError::Storage(Arc::new(e));
        for block in &parsed.case_blocks {
            if !harmless_block(block) {
                return Ok(Some(format!("case '{}' is not one of the demo user", block.case_id)));
            }
            let targets = block.indices.iter().filter_map(|i| i.referenced_id.as_ref());
            for id in std::iter::once(&block.case_id).chain(targets) {
                let foreign = state.case_elsewhere(id).map_err(storage)?;
                let owned = state
                    .case(id)
                    .map_err(storage)?
                    .is_some_and(|case| !matches!(case.owner_id.value.as_str(), "" | DEMO_USER | DEMO_GROUP));
                if foreign || owned {
                    return Ok(Some(format!("case '{id}' belongs to somebody")));
                }
            }
        }
        Ok(None)
    }
}

/// The form names another user than the one whose credentials came with it. Programs speak for others by their
/// nature.
fn speaks_for_another(actor: &Actor, parsed: &ParsedForm) -> bool {
    let by_program = actor.method() == Method::ApiKey;
    !parsed.is_device_log
        && actor.is_authenticated()
        && !by_program
        && parsed.meta.user_id.as_deref() != Some(actor.user_id())
}

fn harmless_block(block: &CaseBlock) -> bool {
    let harmless = |value: &str| matches!(value, "" | DEMO_USER | DEMO_GROUP);
    block
        .create
        .iter()
        .all(|(name, value)| !matches!(name.as_str(), "user_id" | "owner_id") || harmless(value))
        && block.update.iter().all(|(name, value)| name != "owner_id" || harmless(value))
}

fn blob_error(error: bolster_store::BlobError) -> SubmitFormError {
    if error.is_disk_full() { SubmitFormError::DiskFull } else { SubmitFormError::Storage(Arc::new(error)) }
}

/// The rules and switches of a project, as recorded with every fact.
pub(crate) fn rules_of(project: &Project) -> RulesVersion {
    RulesVersion::CURRENT
        .with(RulesVersion::CASCADE, project.auto_close_extensions)
        .with(RulesVersion::CASE_ATTACHMENTS, project.case_attachments)
}
