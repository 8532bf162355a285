//! The forms of the crash test: each creates a case of its own and updates a shared one.

/// Namespace of all of them.
pub const XMLNS: &str = "http://example.org/crash/visit";

/// Number of shared cases.
pub const SHARED_CASES: u64 = 8;

/// Id of the n-th form.
pub fn form_id(n: u64) -> String {
    format!("crash-form-{n}")
}

/// Id of the case that the n-th form creates.
pub fn own_case(n: u64) -> String {
    format!("crash-case-{n}")
}

/// Id of the case that the n-th form updates.
pub fn shared_case(n: u64) -> String {
    format!("crash-shared-{}", n % SHARED_CASES)
}

/// The n-th form; always the same bytes.
pub fn xml(n: u64) -> String {
    let (form, own, shared) = (form_id(n), own_case(n), shared_case(n));
    let minute = n % 60;
    let padding = "x".repeat((n % 700) as usize);
    format!(
        "<?xml version='1.0'?><data xmlns=\"{XMLNS}\" name=\"Visit\" version=\"1\" uiVersion=\"1\">\
         <note>{padding}</note>\
         <case case_id=\"{own}\" user_id=\"u\" date_modified=\"2024-01-01T10:{minute:02}:00Z\" \
         xmlns=\"http://commcarehq.org/case/transaction/v2\"><create><case_type>visit</case_type>\
         <case_name>{n}</case_name><owner_id>u</owner_id></create></case>\
         <group><case case_id=\"{shared}\" user_id=\"u\" date_modified=\"2024-01-01T10:{minute:02}:00Z\" \
         xmlns=\"http://commcarehq.org/case/transaction/v2\"><update><last>{n}</last></update></case></group>\
         <meta xmlns=\"http://openrosa.org/jr/xforms\"><deviceID>crash</deviceID><userID>u</userID>\
         <instanceID>{form}</instanceID></meta></data>"
    )
}
