//! A table inside a container that is kept as it was loaded.

use std::path::Path;

use crate::namespace::Namespace;
use crate::nft::{Nft, NftError};
use crate::nft_loaded::Loaded;

/// A table that is always loaded as a whole, by one script.
#[derive(Debug)]
pub struct KeptTable {
    nft: Nft,
    namespace: Namespace,
    name: String,
    script: String,
    loaded: Loaded,
}

impl KeptTable {
    /// Loads a table by a script that takes the place of whatever has its name. `nft` is the program, looked up in `PATH`
    /// when it is a bare name.
    pub async fn load(
        nft: &Path,
        namespace: &Namespace,
        name: &str,
        script: String,
    ) -> Result<Self, NftError> {
        let (nft, whole) = (Nft::new(nft), || script.clone());
        let loaded = Loaded::load(&nft, namespace, name, None, whole(), whole).await?.loaded;
        Ok(Self { nft, namespace: namespace.clone(), name: name.to_owned(), script, loaded })
    }

    /// Loads it again if something else changed it; says what was other than it was loaded.
    pub async fn put_back(&mut self) -> Result<Vec<String>, NftError> {
        let told = self.loaded.differences(&self.namespace).await?;
        if !told.is_empty() {
            let whole = || self.script.clone();
            let loading = Loaded::load(&self.nft, &self.namespace, &self.name, None, whole(), whole).await?;
            self.loaded = loading.loaded;
        }
        Ok(told)
    }
}
