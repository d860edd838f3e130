//! `image inspect`.

use super::Session;
use crate::{
    args::image::ImageInspectArgs,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::image,
};
use proto::wire::InspectImageRequest;

/// Shows everything about images.
pub async fn run(session: &Session, args: ImageInspectArgs) -> Result<(), CliError> {
    let mut node = session.client().await?.node();
    let mut refusals = Refusals::default();
    let mut found = Vec::new();
    for image in args.images {
        let answer = node.inspect_image(InspectImageRequest { image }).await.map_err(CliError::node);
        if let Some(answer) = refusals.take(answer)? {
            found.push(image::inspected(answer.into_inner())?);
        }
    }
    inspection::print(session, &found, args.format.as_deref())?;
    refusals.finish()
}
