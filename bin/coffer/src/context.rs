//! What a verb works with: the terminal, and the place where things are kept.

use std::path::{Path, PathBuf};

use coffer_runtime::container::DataRoot;
use coffer_runtime::state::Containers;
use coffer_store::Store;

use crate::environment;
use crate::failure::Failure;
use crate::ui::Ui;

/// Handed to every verb.
#[derive(Debug)]
pub(crate) struct Context {
    /// Where words and data go.
    pub(crate) ui: Ui,
    root: Option<PathBuf>,
}

impl Context {
    /// A context with the value of `--root`.
    pub(crate) fn new(ui: Ui, root: Option<PathBuf>) -> Self {
        Self { ui, root }
    }

    /// The folder that holds images and containers.
    pub(crate) fn root(&self) -> Result<PathBuf, Failure> {
        environment::data_root(self.root.clone())
    }

    /// The images.
    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store_at(&self.root()?)
    }

    /// The images below `root`.
    pub(crate) fn store_at(&self, root: &Path) -> Result<Store, Failure> {
        Ok(Store::open(root)?)
    }

    /// The containers.
    pub(crate) fn containers(&self) -> Result<Containers, Failure> {
        let store = self.store()?;
        Ok(Containers::open(store.root())?)
    }

    /// The data root, to do something with containers.
    pub(crate) fn data_root(&self) -> Result<DataRoot, Failure> {
        let path = self.root()?;
        // Opening the store makes what is not there yet.
        Ok(DataRoot::at(&path, self.store_at(&path)?.root())?)
    }
}
