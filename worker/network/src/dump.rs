//! Lists of what a namespace holds: asked for again when they changed while they were told.

use std::io;

use futures::StreamExt;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;

use crate::link_error::{LinkError, kernel_error};
use crate::links::Links;

/// How often a list is asked for. One that changes all the time is taken as it comes then: who compares it looks twice.
const TRIES: usize = 5;

/// What the kernel flags a list with that may lack something, as it changed meanwhile (`NLM_F_DUMP_INTR`).
const INTERRUPTED: u16 = 0x10;

impl Links {
    /// Lists what a request asks for.
    pub(crate) async fn dump(
        &self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<RouteNetlinkMessage>, LinkError> {
        let _alone = self.listing().await;
        let mut told = Vec::new();
        for _ in 0..TRIES {
            let namespace = || self.namespace().to_owned();
            let failed = |source| LinkError::List { what, namespace: namespace(), source };
            let (found, is_whole) = self.dump_once(request.clone()).await.map_err(failed)?;
            told = found;
            if is_whole {
                break;
            }
        }
        Ok(told)
    }

    async fn dump_once(&self, request: RouteNetlinkMessage) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut answers = self.handle.clone().request(request).map_err(kernel_error)?;
        let (mut told, mut is_whole) = (Vec::new(), true);
        while let Some(answer) = answers.next().await {
            is_whole &= answer.header.flags & INTERRUPTED == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => told.push(message),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(io::Error::from_raw_os_error(-done.code));
                }
                _ => {}
            }
        }
        Ok((told, is_whole))
    }
}
