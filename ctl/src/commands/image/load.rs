//! `image load`.

use super::{Session, source};
use crate::{
    args::image::LoadArgs,
    error::CliError,
    output::{image, screen, sizes},
};
use proto::wire::LoadImageRequest;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Messages on their way to the daemon.
const UNDER_WAY: usize = 2;
/// Bytes between two drawings of the progress.
const DRAW_EVERY_BYTES: u64 = 4 << 20;

/// Loads an archive.
pub async fn run(session: &Session, args: LoadArgs) -> Result<(), CliError> {
    let mut pieces = source::open(args.input.as_deref())?;
    let mut node = session.client().await?.node();
    let mut meter =
        Meter { session, draws: !args.quiet && session.printer.drawing_width().is_some(), sent: 0, drawn: 0 };
    let (sender, requests) = mpsc::channel(UNDER_WAY);
    // If reading fails the sender stays open until the call is given up: closed, it would tell the
    // daemon that a part is the whole.
    let mut sender = Some(sender);
    let feed = async {
        while let (Some(piece), Some(open)) = (pieces.recv().await, &sender) {
            let data = piece?;
            meter.add(data.len() as u64);
            if open.send(LoadImageRequest { data }).await.is_err() {
                break; // the call has ended, and its answer says why
            }
        }
        sender = None;
        Ok(())
    };
    let call = async { node.load_image(ReceiverStream::new(requests)).await.map_err(CliError::node) };
    let ((), answer) = tokio::try_join!(feed, call)?;
    let loaded = answer.into_inner();
    for reference in &loaded.references {
        session.printer.line(&format!("Loaded image: {}", image::familiar(reference)))?;
    }
    for id in &loaded.ids {
        session.printer.line(&format!("Loaded image ID: {id}"))?;
    }
    Ok(())
}

/// Shows on a terminal how much was sent.
struct Meter<'a> {
    session: &'a Session,
    draws: bool,
    sent: u64,
    drawn: u64,
}

impl Meter<'_> {
    fn add(&mut self, bytes: u64) {
        self.sent += bytes;
        if self.draws && self.sent - self.drawn >= DRAW_EVERY_BYTES {
            let line = format!("loading: {}", sizes::decimal(self.sent));
            self.session.printer.aside(screen::redraw(usize::from(self.drawn > 0), &[line]));
            self.drawn = self.sent;
        }
    }
}
