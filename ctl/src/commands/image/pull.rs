//! `image pull`.

use super::Session;
use crate::{
    args::image::PullArgs,
    error::CliError,
    output::{
        pull::{self, Download},
        screen,
    },
};
use proto::wire::PullImageRequest;

/// Downloads an image.
pub async fn run(session: &Session, args: PullArgs) -> Result<(), CliError> {
    let mut node = session.client().await?.node();
    let request = PullImageRequest { reference: args.reference.clone() };
    let mut answer = node.pull_image(request).await.map_err(CliError::node)?.into_inner();
    let width = session.printer.drawing_width();
    let mut download = Download::default();
    let mut drawn = 0;
    while let Some(progress) = answer.message().await.map_err(CliError::node)? {
        let line = pull::line(&progress);
        let changed = download.take(progress);
        match width {
            _ if args.quiet => {}
            Some(width) => {
                let lines = download.picture(width);
                session.printer.aside(screen::redraw(drawn, &lines));
                drawn = lines.len();
            }
            None if changed => session.printer.note(&line),
            None => {}
        }
    }
    if !args.quiet && !download.digest.is_empty() {
        session.printer.note(&format!("Digest: {}", download.digest));
    }
    Ok(session.printer.line(&args.reference)?)
}
