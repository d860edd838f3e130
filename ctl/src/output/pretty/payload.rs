//! A secret or config for people.

use super::label_lines;
use crate::output::times;
use proto::wire::{Payload, PayloadKind};

/// Writes a secret or config; of a secret not what is in it.
pub fn payload(payload: &Payload) -> String {
    let spec = payload.spec.clone().unwrap_or_default();
    let mut text = format!("ID:\t\t\t{}\nName:\t\t\t{}\n", payload.id, spec.name);
    if !spec.labels.is_empty() {
        text += &format!("Labels:\n{}", label_lines(&spec.labels, " - "));
    }
    if spec.kind() == PayloadKind::Secret {
        text += "Driver:\n";
    }
    if !spec.template_driver.is_empty() {
        text += &format!("Template driver:\t{}\n", spec.template_driver);
    }
    text += &format!("Created at:            \t{}\n", times::go_text(payload.created_at).to_lowercase());
    text += &format!("Updated at:            \t{}\n", times::go_text(payload.updated_at).to_lowercase());
    text += &format!("Content version:       \t{}\n", payload.edition);
    if !payload.services.is_empty() {
        text += &format!("Used by:               \t{}\n", payload.services.join(", "));
    }
    if let Some(content) = &payload.content {
        text += &format!("Data:\n{}\n", String::from_utf8_lossy(&content.data));
    }
    text
}

#[cfg(test)]
mod tests {
    use crate::output::fixtures;
    use proto::model::PayloadKind;

    #[test]
    fn a_config_has_dockers_layout() {
        let expected = "\
ID:\t\t\tpayloadsite00000000000000
Name:\t\t\tsite
Labels:
 - team=a
Template driver:\tgolang
Created at:            \t2023-11-14 21:13:20 +0000 utc
Updated at:            \t2023-11-14 22:12:19.5 +0000 utc
Content version:       \t2
Used by:               \tweb
Data:
a=1

";
        assert_eq!(super::payload(&fixtures::payload(PayloadKind::Config, "site")), expected);
        let secret = super::payload(&fixtures::payload(PayloadKind::Secret, "key"));
        assert!(secret.contains("Driver:\n") && !secret.contains("Data"), "{secret}");
    }
}
