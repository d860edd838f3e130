//! `image ls`.

use super::Session;
use crate::{
    args::image::LsArgs,
    error::CliError,
    output::{image, listing, times},
    parse::filters::Filters,
};
use proto::wire::ListImagesRequest;

/// Lists images.
pub async fn run(session: &Session, args: LsArgs) -> Result<(), CliError> {
    let mut texts = args.list.filters;
    texts.extend(args.reference.map(|reference| format!("reference={reference}")));
    let filters = Filters::checked(&texts, image::FILTERS, image::check_filters)?;
    let mut node = session.client().await?.node();
    let all = node.list_images(ListImagesRequest {}).await.map_err(CliError::node)?.into_inner();
    let digests = args.digests && !args.list.quiet;
    let format = args.list.format.as_deref().or(digests.then_some(image::DIGESTS_TABLE));
    let format = listing::Format::choose(&image::LISTING, format, args.list.quiet);
    let rows = image::rows(all.images, &filters, !args.no_trunc, times::now_ms());
    Ok(session.printer.data(listing::render(&image::LISTING, &format, rows)?)?)
}
