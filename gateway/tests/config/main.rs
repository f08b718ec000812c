//! Configuration from the outside: examples are accepted, mistakes are named where they stand.

#[cfg(test)]
mod files;
#[cfg(test)]
mod fix;
#[cfg(test)]
mod mutations;
mod late;
#[cfg(test)]
mod site;
#[cfg(test)]
mod accepted;
#[cfg(test)]
mod read_once;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod truststores;
#[cfg(test)]
mod client_certificates;
#[cfg(test)]
mod ranges;
#[cfg(test)]
mod lengths;
#[cfg(test)]
mod offload;
#[cfg(test)]
mod mutated;
#[cfg(test)]
mod command;
#[cfg(test)]
mod documented;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod later;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod signers;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod exported;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod openapi_mutated;
#[cfg(test)]
mod openapi_parts;
#[cfg(test)]
mod openapi_references;
