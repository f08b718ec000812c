//! Models and what methods check, compiled.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::language::schema::{Models, Schema, SchemaError};
use crate::model::{ApiName, BodyModels, Definition, Route, Validation};
use crate::step::conform::ConformPlan;
use crate::step::schemas::BodySchemas;
use crate::step::validate::ValidatePlan;

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
        let used: BTreeSet<&str> = definition.routes.iter().flat_map(checked_models).collect();
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
        let Validation {
            required,
            parameters,
            body,
            content_types,
            response: _,
        } = validation;
        let required = if *parameters {
            required.as_slice()
        } else {
            &[]
        };
        if required.is_empty() && body.is_none() && content_types.is_none() {
            return Ok(None);
        }
        let body = body.as_ref().map(|models| self.bodies(models));
        Ok(Some(ValidatePlan {
            required: required.to_vec(),
            content_types: content_types.clone(),
            body: body.transpose()?,
        }))
    }

    /// What the answers of a method have to be; `None` if nobody looks.
    pub(super) fn conform(&self, route: &Route) -> Result<Option<ConformPlan>, CompileError> {
        let Some(check) = route.validation.response else {
            return Ok(None);
        };
        let declared = route.method_responses.iter().flatten();
        let by_status =
            declared.map(|(status, response)| Ok((*status, self.bodies(&response.models)?)));
        Ok(Some(ConformPlan {
            check,
            by_status: by_status.collect::<Result<_, CompileError>>()?,
        }))
    }

    fn bodies(&self, models: &BodyModels) -> Result<BodySchemas, CompileError> {
        let by_media_type = models.by_media_type.iter();
        let by_media_type =
            by_media_type.map(|(media_type, model)| Ok((media_type.clone(), self.schema(model)?)));
        Ok(BodySchemas {
            by_media_type: by_media_type.collect::<Result<_, CompileError>>()?,
            otherwise: match &models.otherwise {
                None => None,
                Some(model) => Some(self.schema(model)?),
            },
        })
    }

    fn schema(&self, name: &str) -> Result<Arc<Schema>, CompileError> {
        let schema = self.compiled.get(name).map(Arc::clone);
        schema.ok_or_else(|| error(self.api, SchemaError::Unknown(name.into())))
    }
}

/// The models that something of a route is held against.
fn checked_models(route: &Route) -> impl Iterator<Item = &str> {
    let Validation { body, response, .. } = &route.validation;
    let responses = route.method_responses.iter().flatten();
    let responses = responses.filter(|_| response.is_some());
    let of_responses = responses.flat_map(|(_, response)| response.models.names());
    let of_body = body.iter().flat_map(BodyModels::names);
    of_body.chain(of_responses)
}

fn error(api: &ApiName, source: SchemaError) -> CompileError {
    CompileError::Models {
        api: api.clone(),
        source,
    }
}
