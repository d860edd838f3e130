//! A secret or config as docker's API describes it; of a secret not what is in it.

use super::{Version, sorted};
use crate::output::times;
use base64::{Engine, prelude::BASE64_STANDARD};
use proto::wire::Payload;
use serde::Serialize;
use std::collections::BTreeMap;

/// A secret or config.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectedPayload {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: String,
    updated_at: String,
    spec: Spec,
    /// Not docker's: how many contents it has had, and who uses it.
    content_version: u64,
    services: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    templating: Option<Driver>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    name: String,
}

impl From<Payload> for InspectedPayload {
    fn from(payload: Payload) -> Self {
        let spec = payload.spec.unwrap_or_default();
        let driver = Some(spec.template_driver).filter(|driver| !driver.is_empty());
        InspectedPayload {
            id: payload.id,
            version: Version { index: payload.version },
            created_at: times::rfc3339(payload.created_at),
            updated_at: times::rfc3339(payload.updated_at),
            spec: Spec {
                name: spec.name,
                labels: sorted(&spec.labels),
                data: payload.content.map(|content| BASE64_STANDARD.encode(content.data)),
                templating: driver.map(|name| Driver { name }),
            },
            content_version: payload.edition,
            services: payload.services,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, json};
    use proto::model::PayloadKind;

    #[test]
    fn a_config_is_described_as_docker_describes_it() {
        let config = fixtures::payload(PayloadKind::Config, "site");
        let expected = r#"{
    "ID": "payloadsite00000000000000",
    "Version": {
        "Index": 12
    },
    "CreatedAt": "2023-11-14T21:13:20Z",
    "UpdatedAt": "2023-11-14T22:12:19.5Z",
    "Spec": {
        "Name": "site",
        "Labels": {
            "team": "a"
        },
        "Data": "YT0xCg==",
        "Templating": {
            "Name": "golang"
        }
    },
    "ContentVersion": 2,
    "Services": [
        "web"
    ]
}
"#;
        assert_eq!(json::indented(&InspectedPayload::from(config)).unwrap(), expected);
    }

    #[test]
    fn a_secret_has_no_data() {
        let secret = fixtures::payload(PayloadKind::Secret, "key");
        assert!(!json::indented(&InspectedPayload::from(secret)).unwrap().contains("Data"));
    }
}
