//! Bounds given by the host.

/// Bounds of one definition and one session.
#[derive(Clone, Copy, Debug)]
pub struct FormLimits {
    /// Bytes of the form's text, or of a saved form.
    pub bytes: usize,
    /// Elements and attributes of the document, nodes of all its instances.
    pub nodes: usize,
    /// Nested elements.
    pub depth: usize,
    /// Nodes of the main instance while it is filled in.
    pub session_nodes: usize,
    /// Positions visited by one walk through the form.
    pub positions: usize,
    /// Bytes of one text or file that is written.
    pub output: usize,
    /// Bounds of the expressions evaluated by one operation together.
    pub expressions: bolster_xpath::Limits,
}

impl Default for FormLimits {
    fn default() -> Self {
        FormLimits {
            bytes: 16 << 20,
            nodes: 1_000_000,
            depth: 256,
            session_nodes: 1_000_000,
            positions: 1_000_000,
            output: 64 << 20,
            expressions: bolster_xpath::Limits::default(),
        }
    }
}
