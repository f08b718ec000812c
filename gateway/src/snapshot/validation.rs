//! Models and what methods check, compiled.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::language::schema::{Models, Schema, SchemaError};
use crate::model::{ApiName, Definition, Validation};
use crate::step::validate::{BodySchemas, ValidatePlan};

use super::CompileError;

/// The schemas of one definition that its methods ask for.
pub(super) struct Schemas<'a> {
    api: &'a ApiName,
    compiled: HashMap<&'a str, Arc<Schema>>,
}

impl<'a> Schemas<'a> {
    /// Compiles each once, for all methods.
    pub(super) fn compile(
        api: &'a ApiName,
        definition: &'a Definition,
    ) -> Result<Self, CompileError> {
        let bodies = definition
            .routes
            .iter()
            .filter_map(|route| route.validation.body.as_ref());
        let used: BTreeSet<&str> = bodies.flat_map(|body| body.names()).collect();
        let mut compiled = HashMap::new();
        if !used.is_empty() {
            let written = definition.models.iter();
            let models = Models::new(written.map(|(name, schema)| (name.as_str(), schema)));
            let models = models.map_err(|source| error(api, source))?;
            for name in used {
                let schema = models.compile(name);
                let schema = schema.map_err(|source| error(api, source))?;
                compiled.insert(name, Arc::new(schema));
            }
        }
        Ok(Self { api, compiled })
    }

    /// What a method checks; `None` if that is nothing.
    pub(super) fn plan(
        &self,
        validation: &Validation,
    ) -> Result<Option<ValidatePlan>, CompileError> {
        if *validation == Validation::default() {
            return Ok(None);
        }
        let body = match &validation.body {
            None => None,
            Some(models) => {
                let by_media_type = models.by_media_type.iter();
                let by_media_type = by_media_type
                    .map(|(media_type, model)| Ok((media_type.clone(), self.schema(model)?)));
                Some(BodySchemas {
                    by_media_type: by_media_type.collect::<Result<_, CompileError>>()?,
                    otherwise: match &models.otherwise {
                        None => None,
                        Some(model) => Some(self.schema(model)?),
                    },
                })
            }
        };
        Ok(Some(ValidatePlan {
            required: validation.required.clone(),
            body,
        }))
    }

    fn schema(&self, name: &str) -> Result<Arc<Schema>, CompileError> {
        let schema = self.compiled.get(name).map(Arc::clone);
        schema.ok_or_else(|| error(self.api, SchemaError::Unknown(name.into())))
    }
}

fn error(api: &ApiName, source: SchemaError) -> CompileError {
    CompileError::Models {
        api: api.clone(),
        source,
    }
}
