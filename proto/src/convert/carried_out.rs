//! What a node says of how far it is with networks.

use super::error::{WireError, well_formed};
use crate::{model::CarriedOut, wire};

impl From<&CarriedOut> for wire::CarriedOut {
    fn from(said: &CarriedOut) -> Self {
        wire::CarriedOut {
            sequence: said.sequence,
            partly: said.partly,
            lacking: said.lacking.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<wire::CarriedOut> for CarriedOut {
    type Error = WireError;

    fn try_from(wire: wire::CarriedOut) -> Result<Self, WireError> {
        let lacking = wire.lacking.iter().map(|id| well_formed("lacking", id.parse()));
        Ok(CarriedOut {
            sequence: wire.sequence,
            partly: wire.partly,
            lacking: lacking.collect::<Result<_, _>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NetworkId;

    #[test]
    fn it_comes_back_as_it_was_and_what_is_malformed_is_named() {
        let lacking = [1, 2].map(NetworkId::from_bits).into();
        let said = CarriedOut { sequence: 3, partly: 5, lacking };
        let wire = wire::CarriedOut::from(&said);
        assert_eq!(CarriedOut::try_from(wire.clone()).unwrap(), said);
        let damaged = wire::CarriedOut { lacking: vec!["front".into()], ..wire };
        assert_eq!(CarriedOut::try_from(damaged).unwrap_err().to_string(), "field `lacking` is malformed");
    }

    #[test]
    fn nodes_of_before_that_know_no_parts_say_all_or_nothing() {
        let wire = wire::CarriedOut { sequence: 3, ..Default::default() };
        assert_eq!(CarriedOut::try_from(wire).unwrap(), CarriedOut { sequence: 3, ..Default::default() });
    }
}
