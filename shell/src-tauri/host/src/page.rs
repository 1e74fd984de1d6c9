//! The methods that a page in a webview may call, and how it writes their parameters.
//!
//! A page calls the methods for servers, chats and models. The host owns the sidecar's lifetime. Parameter names are in
//! camelCase as in a Tauri front end (`modelPath`), or as in the contract (`model_path`).

use std::fmt;

use llama_sidecar_contract::methods::NAMES;
use serde_json::{Map, Value};

/// Methods that only the host calls: it owns the sidecar's handshake and its end.
const HOST_ONLY: [&str; 4] = ["initialize", "ping", "shutdown", "rpc.discover"];

/// Why a page's request is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    Method(String),
    /// The same parameter in both spellings.
    Twice(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Method(name) => write!(f, "A page may not call {name:?}."),
            Refused::Twice(name) => write!(f, "The parameter {name} was given twice."),
        }
    }
}

impl std::error::Error for Refused {}

/// The methods that a page may call.
pub fn methods() -> impl Iterator<Item = &'static str> {
    NAMES.iter().copied().filter(|name| !HOST_ONLY.contains(name))
}

/// A page's request in the contract's names. Only the parameter names are converted: values may have free-form members,
/// such as environment variables and tool schemas.
pub fn request(method: &str, arguments: Map<String, Value>) -> Result<(&'static str, Map<String, Value>), Refused> {
    let method = methods().find(|name| *name == method).ok_or_else(|| Refused::Method(method.into()))?;
    let mut params = Map::new();
    for (name, value) in arguments {
        let name = snake_case(&name);
        if params.contains_key(&name) {
            return Err(Refused::Twice(name));
        }
        params.insert(name, value);
    }
    Ok((method, params))
}

/// `modelPath` as `model_path`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// `model_path` as `modelPath`.
pub fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        match letters.next() {
            Some(first) if first.is_ascii_lowercase() => camel.push(first.to_ascii_uppercase()),
            // A digit has no capital: without its underscore the name could not be converted back.
            Some(first) => camel.extend(['_', first]),
            None => camel.push('_'),
        }
        camel.push_str(letters.as_str());
    }
    camel
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn samples() -> Map<String, Value> {
        let text = include_str!("../../../../ipc_schema/rust/tests/samples.json");
        let all: Value = serde_json::from_str(text).unwrap();
        all["params"].as_object().unwrap().clone()
    }

    #[test]
    fn the_contracts_samples_convert_from_camel_case() {
        let mut count = 0;
        for (method, samples) in samples() {
            for sample in samples.as_array().unwrap() {
                let sample = sample.as_object().unwrap().clone();
                let camel = sample.iter().map(|(name, value)| (camel_case(name), value.clone())).collect();
                if HOST_ONLY.contains(&method.as_str()) {
                    assert_eq!(request(&method, camel), Err(Refused::Method(method.clone())));
                    continue;
                }
                let (name, params) = request(&method, camel).unwrap();
                assert_eq!((name, &params), (method.as_str(), &sample));
                assert_eq!(request(&method, sample.clone()).unwrap().1, sample);
                count += 1;
            }
        }
        assert!(count > 100, "{count}");
    }

    #[test]
    fn every_method_is_for_pages_or_for_the_host_only() {
        assert!(HOST_ONLY.iter().all(|name| NAMES.contains(name)));
        assert_eq!(methods().count() + HOST_ONLY.len(), NAMES.len());
        for name in ["start_llama_server", "send_message", "subscribe"] {
            assert!(methods().any(|allowed| allowed == name));
        }
        assert!(matches!(request("shutdown", Map::new()), Err(Refused::Method(_))));
        assert!(matches!(request("no_such", Map::new()), Err(Refused::Method(_))));
    }

    #[test]
    fn names_inside_a_parameter_are_kept() {
        let arguments = json!({"env": {"MY_VAR": "x", "myVar": "y"}, "nGpuLayers": 3, "cacheTypeK": "q8_0"});
        let (_, params) = request("start_llama_server", arguments.as_object().unwrap().clone()).unwrap();
        let expected = json!({"env": {"MY_VAR": "x", "myVar": "y"}, "n_gpu_layers": 3, "cache_type_k": "q8_0"});
        assert_eq!(Value::Object(params), expected);
    }

    #[test]
    fn a_parameter_in_both_spellings_is_rejected() {
        let arguments = json!({"modelPath": "a", "model_path": "b"}).as_object().unwrap().clone();
        assert_eq!(request("start_llama_server", arguments), Err(Refused::Twice("model_path".into())));
    }

    #[test]
    fn names_survive_a_round_trip() {
        for name in ["a", "model_path", "n_cpu_moe", "top_5_words", "q_8", "_x", "x_", "a__b"] {
            assert_eq!(snake_case(&camel_case(name)), name);
        }
        assert_eq!(camel_case("n_gpu_layers"), "nGpuLayers");
    }
}
