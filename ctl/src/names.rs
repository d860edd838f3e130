//! Random names for services that are created without one: an adjective and a creature of the sea.

const ADJECTIVES: [&str; 64] = [
    "agile", "amber", "arctic", "azure", "bold", "brave", "bright", "brisk", "calm", "cheerful", "clever",
    "coral", "cosmic", "crimson", "curious", "daring", "deep", "eager", "early", "earnest", "faithful",
    "fearless", "fleet", "frosty", "gentle", "glad", "golden", "graceful", "happy", "hardy", "hidden",
    "honest", "humble", "jolly", "keen", "kind", "lively", "lucky", "lunar", "mellow", "merry", "mighty",
    "modest", "nimble", "noble", "patient", "placid", "polite", "proud", "quick", "quiet", "rapid", "rosy",
    "serene", "silver", "sleek", "steady", "sunny", "swift", "tidal", "vivid", "warm", "wise", "witty",
];

const CREATURES: [&str; 64] = [
    "albacore",
    "anchovy",
    "angelfish",
    "barnacle",
    "barracuda",
    "bream",
    "burbot",
    "capelin",
    "carp",
    "catfish",
    "char",
    "clam",
    "cockle",
    "cod",
    "conger",
    "cuttlefish",
    "dogfish",
    "dolphin",
    "dorado",
    "eel",
    "flounder",
    "garfish",
    "goby",
    "grayling",
    "grouper",
    "gurnard",
    "haddock",
    "hake",
    "halibut",
    "herring",
    "kipper",
    "krill",
    "lamprey",
    "lobster",
    "mackerel",
    "manta",
    "marlin",
    "minnow",
    "mullet",
    "mussel",
    "narwhal",
    "octopus",
    "orca",
    "oyster",
    "perch",
    "pike",
    "pilchard",
    "plaice",
    "pollock",
    "porpoise",
    "prawn",
    "remora",
    "salmon",
    "sardine",
    "seahorse",
    "shrimp",
    "smelt",
    "sole",
    "sprat",
    "squid",
    "sturgeon",
    "trout",
    "tuna",
    "wrasse",
];

/// Says that the operating system gives no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a random name; give one with --name: {0}")]
pub struct NameError(getrandom::Error);

/// The name that two random bytes stand for.
fn from_bytes([adjective, creature]: [u8; 2]) -> String {
    // 64 divides 256, so every word is as likely as every other.
    let pick = |words: &[&'static str; 64], byte: u8| words[usize::from(byte) % words.len()];
    format!("{}_{}", pick(&ADJECTIVES, adjective), pick(&CREATURES, creature))
}

/// Makes a name up.
pub fn random() -> Result<String, NameError> {
    let mut bytes = [0; 2];
    getrandom::fill(&mut bytes).map_err(NameError)?;
    Ok(from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::Name;
    use std::collections::BTreeSet;

    #[test]
    fn every_pair_of_words_is_a_name_of_its_own() {
        let all: BTreeSet<String> = (0..64).flat_map(|a| (0..64).map(move |c| from_bytes([a, c]))).collect();
        assert_eq!(all.len(), 64 * 64);
        assert!(all.iter().all(|name| name.parse::<Name>().is_ok()));
    }
}
