//! Ids that the rules make: functions of fact contents, so that every node makes the same.

use bolster_model::{CaseId, Digest, FormId, OrderKey};
use uuid::Uuid;

/// Namespace of all ids made here (random, fixed for good).
const NAMESPACE: Uuid = Uuid::from_u128(0x6b8e_2f1c_94d7_4c35_a0f3_51d2_7e8b_c94a);

fn derive(parts: &[&[u8]]) -> FormId {
    let mut name = Vec::with_capacity(128);
    for part in parts {
        name.extend_from_slice(&(part.len() as u32).to_le_bytes());
        name.extend_from_slice(part);
    }
    FormId::new(Uuid::new_v5(&NAMESPACE, &name).hyphenated().to_string())
}

/// Id of the record of an exact resend: one for each arrival.
pub fn duplicate(of: &FormId, salt: &[u8; 16]) -> FormId {
    derive(&[b"duplicate", of.as_str().as_bytes(), salt])
}

/// Id that a version gets when an edit replaces it.
pub fn deprecated(form_id: &FormId, position: &OrderKey, xml_digest: &Digest) -> FormId {
    derive(&[b"deprecated", form_id.as_str().as_bytes(), &position.hlc.to_le_bytes(), &xml_digest.0])
}

/// Id of a form whose own id is taken by a form of another namespace or project.
pub fn clash(form_id: &FormId, xmlns: &str, project: &[u8; 16]) -> FormId {
    derive(&[b"clash", form_id.as_str().as_bytes(), xmlns.as_bytes(), project])
}

/// Id of a form that came without one, or that is none.
pub fn anonymous(salt: &[u8; 16]) -> FormId {
    derive(&[b"anonymous", salt])
}

/// Id of a device log that came without one.
pub fn device_log(xml_digest: &Digest) -> FormId {
    derive(&[b"device log", &xml_digest.0])
}

/// Id of a submission that is no form: 32 hex digits, as CommCare HQ gives them.
pub fn submission_error(salt: &[u8; 16]) -> FormId {
    let id = derive(&[b"submission error", salt]);
    FormId::new(id.as_str().replace('-', ""))
}

/// Id of the system form that closes an extension because its host was closed.
pub fn cascade(closing_form: &FormId, case: &CaseId) -> FormId {
    derive(&[b"cascade", closing_form.as_str().as_bytes(), case.as_str().as_bytes()])
}
