//! Which schema a body has to follow. No step: what [`super::validate`] and [`super::conform`] have
//! in common.

use std::sync::Arc;

use crate::language::media_type::MediaType;
use crate::language::schema::Schema;

/// Which schema a body has to follow, by its media type.
#[derive(Debug)]
pub struct BodySchemas {
    /// By media type.
    pub by_media_type: Vec<(String, Arc<Schema>)>,
    /// For every other media type; `None` leaves their bodies unchecked.
    pub otherwise: Option<Arc<Schema>>,
}

impl BodySchemas {
    /// The schema for bodies of this media type; `None` leaves them unchecked.
    #[must_use]
    pub fn schema(&self, media_type: MediaType<'_>) -> Option<&Schema> {
        let mut named = self.by_media_type.iter();
        let own = named.find(|(known, _)| media_type.is(known));
        let own = own.map(|(_, schema)| schema);
        own.or(self.otherwise.as_ref()).map(AsRef::as_ref)
    }
}
