//! Everything about the lists that is in force, as one plain value: who reads it waits for nobody.

use std::sync::Arc;

use super::Lists;
use super::Writer;
use super::configured::Configured;
use super::picture::Picture;
use super::sink::ListSink;

/// See the module. Never changed; whoever holds the writer puts another one in its place.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) picture: Picture,
    pub(super) configured: Arc<Configured>,
    pub(super) sink: Option<Arc<dyn ListSink>>,
}

impl Lists {
    /// What is in force at this moment. Takes no lock.
    pub(super) fn view(&self) -> Arc<View> {
        self.0.view.load_full()
    }

    /// Puts another view in the place of the present one.
    pub(super) fn show(&self, _writer: &mut Writer, view: View) {
        self.0.view.store(Arc::new(view));
    }
}
