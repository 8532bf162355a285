//! Writes a form as the phone app does: meta block, answers, case blocks.

use bolster_model::Timestamp;
use std::fmt::Write as _;

const APP_VERSION: &str =
    "CommCare Android, version &quot;2.53.1&quot;(463695). App v12. CommCare Version 2.53. Build 463695";

/// One form being filled in.
pub struct Form {
    text: String,
    user_id: String,
    ended: Timestamp,
}

/// What a form asks to do with one case.
pub struct CaseAction {
    id: String,
    create: String,
    update: String,
    close: bool,
    index: String,
}

/// Replaces what XML gives a meaning.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Form {
    /// Begins a form of a kind, filled in between two times.
    pub fn new(kind: &str, title: &str, id: &str, user_id: &str, time: (Timestamp, Timestamp)) -> Self {
        let (started, ended) = time;
        let text = format!(
            "<?xml version='1.0' ?><data xmlns:jrm=\"http://dev.commcarehq.org/jr/xforms\" \
             xmlns=\"http://openrosa.org/formdesigner/bolster-demo/{kind}\" name=\"{}\" uiVersion=\"1\" version=\"12\">\
             <meta xmlns=\"http://openrosa.org/jr/xforms\"><deviceID>demo-phone-1</deviceID>\
             <timeStart>{started}</timeStart><timeEnd>{ended}</timeEnd><username>amina</username>\
             <userID>{}</userID><instanceID>{id}</instanceID>\
             <appVersion xmlns=\"http://commcarehq.org/xforms\">{APP_VERSION}</appVersion></meta>",
            escape(title),
            escape(user_id),
        );
        Self { text, user_id: user_id.to_owned(), ended }
    }

    /// A question with its answer.
    pub fn answer(&mut self, question: &str, answer: &str) {
        let _ = write!(self.text, "<{question}>{}</{question}>", escape(answer));
    }

    /// What follows belongs to a group.
    pub fn open_group(&mut self, name: &str) {
        let _ = write!(self.text, "<{name}>");
    }

    /// The group ends.
    pub fn close_group(&mut self, name: &str) {
        let _ = write!(self.text, "</{name}>");
    }

    /// A case block.
    pub fn case(&mut self, action: CaseAction) {
        let _ = write!(
            self.text,
            "<n0:case xmlns:n0=\"http://commcarehq.org/case/transaction/v2\" case_id=\"{}\" user_id=\"{}\" \
             date_modified=\"{}\">",
            escape(&action.id),
            escape(&self.user_id),
            self.ended
        );
        for (name, content) in
            [("create", &action.create), ("update", &action.update), ("index", &action.index)]
        {
            if !content.is_empty() {
                let _ = write!(self.text, "<n0:{name}>{content}</n0:{name}>");
            }
        }
        self.text.push_str(if action.close { "<n0:close/></n0:case>" } else { "</n0:case>" });
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        self.text.push_str("</data>");
        self.text
    }
}

impl CaseAction {
    /// Touches a case.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            create: String::new(),
            update: String::new(),
            close: false,
            index: String::new(),
        }
    }

    /// Creates it.
    pub fn create(mut self, case_type: &str, name: &str, owner: &str) -> Self {
        for (key, value) in [("case_type", case_type), ("case_name", name), ("owner_id", owner)] {
            let _ = write!(self.create, "<n0:{key}>{}</n0:{key}>", escape(value));
        }
        self
    }

    /// Sets properties.
    pub fn update(mut self, properties: &[(&str, &str)]) -> Self {
        for (key, value) in properties {
            let _ = write!(self.update, "<n0:{key}>{}</n0:{key}>", escape(value));
        }
        self
    }

    /// Links it to a parent.
    pub fn index(mut self, identifier: &str, case_type: &str, target: &str) -> Self {
        let _ = write!(
            self.index,
            "<n0:{identifier} case_type=\"{}\">{}</n0:{identifier}>",
            escape(case_type),
            escape(target)
        );
        self
    }

    /// Closes it.
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }
}
