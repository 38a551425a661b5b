//! What a registry asks for when it answers 401.
//!
//! Sources: RFC 9110, 11.6.1 (WWW-Authenticate); distribution's docs/spec/auth/token.md.

/// The proof that a registry wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// A token from the service at `realm`.
    Bearer(Bearer),
    /// User name and password themselves.
    Basic,
}

/// Where a token is to be had and what for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The address of the token service; not checked yet.
    pub(crate) realm: String,
    /// By which name the service knows the registry.
    pub(crate) service: Option<String>,
    /// What the token has to be good for, in the registry's opinion.
    pub(crate) scope: Option<String>,
}

/// One scheme with its parameters.
struct Offer {
    /// Lower case.
    scheme: String,
    /// Names in lower case, values as they are.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The best of what the header offers: Bearer, since a token is worth less than a password.
    pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let offers: Vec<Offer> = headers.flat_map(offers).collect();
        let bearer = offers.iter().find_map(Offer::bearer).map(Self::Bearer);
        let basic = || offers.iter().any(|offer| offer.scheme == "basic").then_some(Self::Basic);
        bearer.or_else(basic)
    }
}

impl Offer {
    /// As a token challenge. One without a realm is none: there is nowhere to go.
    fn bearer(&self) -> Option<Bearer> {
        let get = |name: &str| {
            let found = self.parameters.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
        };
        if self.scheme != "bearer" {
            return None;
        }
        Some(Bearer { realm: get("realm")?, service: get("service"), scope: get("scope") })
    }
}

/// Reads `Scheme name=value, name="value", Scheme …`. What does not fit is passed over.
fn offers(header: &str) -> Vec<Offer> {
    let mut found: Vec<Offer> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = rest.split_at(rest.find(|c| !is_token(c)).unwrap_or(rest.len()));
        if word.is_empty() {
            let Some(odd) = rest.chars().next() else { return found };
            rest = rest.get(odd.len_utf8()..).unwrap_or_default();
            continue;
        }
        let word = word.to_ascii_lowercase();
        if let Some(value) = after.trim_start().strip_prefix('=') {
            let (value, after) = value_of(value.trim_start());
            if let Some(offer) = found.last_mut() {
                offer.parameters.push((word, value));
            }
            rest = after;
        } else {
            found.push(Offer { scheme: word, parameters: Vec::new() });
            rest = after;
        }
    }
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return (value.to_owned(), rest);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, characters.as_str())
}

/// Source: RFC 9110, 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Option<Challenge> {
        Challenge::parse([header].into_iter())
    }

    #[test]
    fn a_token_challenge_has_three_parts() {
        let header = r#"Bearer realm="https://auth.example/token",service="r.example",scope="repository:a/b:pull,push",error="invalid_token""#;
        let Some(Challenge::Bearer(bearer)) = parse(header) else { panic!() };
        assert_eq!(bearer.realm, "https://auth.example/token");
        assert_eq!(bearer.service.as_deref(), Some("r.example"));
        assert_eq!(bearer.scope.as_deref(), Some("repository:a/b:pull,push"));
    }

    #[test]
    fn a_token_is_preferred_to_a_password() {
        let header = r#"Basic realm="r", Negotiate abc==, BEARER realm = "https://a\"b" "#;
        let Some(Challenge::Bearer(bearer)) = parse(header) else { panic!() };
        assert_eq!(bearer.realm, "https://a\"b");
        assert_eq!(parse("basic realm=\"Registry Realm\""), Some(Challenge::Basic));
        assert_eq!(parse("Basic"), Some(Challenge::Basic));
    }

    #[test]
    fn what_is_not_understood_asks_for_nothing() {
        for odd in ["", "Bearer", "Bearer realm=\"\"", "Digest realm=x", "\"", "=,=", "é=\"x"] {
            assert_eq!(parse(odd), None, "{odd:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(header in "\\PC{0,80}") {
            parse(&header);
        }
    }
}
