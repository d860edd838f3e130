//! `image rm`.

use super::Session;
use crate::{args::image::RmArgs, commands::several::Refusals, error::CliError, output::image};
use proto::wire::RemoveImageRequest;

/// Removes images.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let mut node = session.client().await?.node();
    let mut refusals = Refusals::default();
    for image in args.images {
        let answer = node.remove_image(RemoveImageRequest { image, force: args.force }).await;
        if let Some(answer) = refusals.take(answer.map_err(CliError::node))? {
            let removed = answer.into_inner();
            for reference in &removed.untagged {
                session.printer.line(&format!("Untagged: {}", image::familiar(reference)))?;
            }
            for id in &removed.deleted {
                session.printer.line(&format!("Deleted: {id}"))?;
            }
        }
    }
    refusals.finish()
}
