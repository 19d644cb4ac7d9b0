//! The resource that a target's synthetic spans carry: the target's own, for a backend shows spans
//! with another `service.name` as another service's.

use hotspan_synth::span::Value;

use super::environment::TargetEnvironment;

const SERVICE_NAME: &str = "service.name";

/// The SDK's resource if it could be read; else what the environment says; `service.name` as the
/// specification has it where nobody gives one. `executable` is the file name of the program.
pub fn resource(
    sdk: Option<&[(String, Value)]>,
    environment: &TargetEnvironment,
    executable: &str,
) -> Vec<(String, Value)> {
    let mut attributes = match sdk {
        Some(attributes) => attributes.to_vec(),
        None => from_environment(environment),
    };
    let named = |(key, value): &(String, Value)| {
        key == SERVICE_NAME && *value != Value::Text(String::new())
    };
    if !attributes.iter().any(named) {
        attributes.retain(|(key, _)| key != SERVICE_NAME);
        let name = format!("unknown_service:{executable}");
        attributes.push((SERVICE_NAME.to_owned(), name.into()));
    }
    attributes
}

/// `OTEL_SERVICE_NAME` goes before a `service.name` in `OTEL_RESOURCE_ATTRIBUTES`; of a key that is
/// given twice, the last one counts.
fn from_environment(environment: &TargetEnvironment) -> Vec<(String, Value)> {
    let mut attributes: Vec<(String, Value)> = Vec::new();
    let service = environment.service_name.as_ref();
    let service = service.map(|name| (SERVICE_NAME.to_owned(), name.clone()));
    for (key, value) in environment
        .resource_attributes
        .iter()
        .cloned()
        .chain(service)
    {
        attributes.retain(|(known, _)| *known != key);
        attributes.push((key, value.into()));
    }
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sdk: Option<&[(&str, &str)]>, environ: &str, expected: &[(&str, &str)]) {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, Value)> {
            pairs
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.into()))
                .collect()
        };
        let environment = TargetEnvironment::parse(environ.as_bytes());
        let sdk = sdk.map(owned);
        assert_eq!(
            resource(sdk.as_deref(), &environment, "python3"),
            owned(expected)
        );
    }

    #[test]
    fn the_sdk_goes_first_then_the_environment_then_the_default() {
        let environ =
            "OTEL_SERVICE_NAME=named\0OTEL_RESOURCE_ATTRIBUTES=service.name=other,a=1,a=2\0";
        check(
            Some(&[("service.name", "sdk")]),
            environ,
            &[("service.name", "sdk")],
        );
        check(
            Some(&[("a", "b")]),
            environ,
            &[("a", "b"), ("service.name", "unknown_service:python3")],
        );
        check(
            Some(&[("service.name", "")]),
            "",
            &[("service.name", "unknown_service:python3")],
        );
        check(None, environ, &[("a", "2"), ("service.name", "named")]);
        check(
            None,
            "OTEL_RESOURCE_ATTRIBUTES=service.name=other",
            &[("service.name", "other")],
        );
        check(
            None,
            "OTEL_RESOURCE_ATTRIBUTES=broken",
            &[("service.name", "unknown_service:python3")],
        );
    }
}
