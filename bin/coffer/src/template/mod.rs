//! Go templates, as far as docker's users type them behind `--format`.
//!
//! Text with actions in it: paths (`{{.State.Status}}`), functions and pipes
//! (`{{json .Config | lower}}`), `if`, `range` and `with` with `else`, variables of `range` and
//! `with`, and `{{-` and `-}}`. What is not there is an error that names what there is: a template
//! never gives less than it says. Sources: Go's text/template; docker's "Format command and log
//! output".

mod check;
mod eval;
mod function;
mod lex;
mod parse;

use serde_json::Value;

use crate::failure::Failure;
use parse::Node;

/// A template that can be filled in.
#[derive(Clone, Debug)]
pub(crate) struct Template(Vec<Node>);

/// Why a template cannot be read or filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// `{{` without `}}`, a string without its end.
    #[error("{0} does not end")]
    Open(&'static str),
    /// A character that means nothing in an action.
    #[error("{0:?} means nothing here")]
    Character(char),
    /// A word that is not followed or preceded by what it needs.
    #[error("{0} is wanted here")]
    Wanted(&'static str),
    /// Parts within parts without an end.
    #[error("it is nested too deeply")]
    Deep,
    /// A function that is not there.
    #[error("there is no function {0:?}; there are: {all}", all = function::NAMES.join(", "))]
    Function(String),
    /// A function with the wrong arguments.
    #[error("{0} cannot be asked for {1}")]
    Argument(&'static str, String),
    /// A variable that nobody has set.
    #[error("there is no variable ${0}")]
    Variable(String),
    /// A field that is not there.
    #[error("there is no .{field}; there are: {}", there.join(", "))]
    Field {
        /// Its name.
        field: String,
        /// Those that are.
        there: Vec<String>,
    },
    /// A field of something that has none.
    #[error("{0} has no fields, and so no .{1}")]
    NoFields(String, String),
    /// A range over something that holds nothing.
    #[error("there is nothing to range over in {0}")]
    Range(String),
}

impl Template {
    /// Reads a template.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::parse(text).map(Self)
    }

    /// Looks whether it asks for nothing but what `known` has, which stands for all that it may be
    /// filled with.
    pub(crate) fn check(&self, known: &Value) -> Result<(), TemplateError> {
        check::check(&self.0, known)
    }

    /// The text with `data` in it.
    pub(crate) fn fill(&self, data: &Value) -> Result<String, TemplateError> {
        eval::fill(&self.0, data)
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    /// A template, or docker's word for the whole as JSON.
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        Self::parse(if text == "json" { "{{json .}}" } else { text })
    }
}

/// An error of the template that stands behind `--format`.
pub(crate) fn failure(error: &TemplateError) -> Failure {
    Failure::new("the template of --format cannot be filled in").because(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn filled(template: &str) -> Result<String, TemplateError> {
        let data = json!({
            "Name": "web", "Pid": 7, "Running": true, "None": null, "Ratio": 1.5,
            "State": { "Status": "running", "Code": 0 },
            "Env": ["A=1", "B=2"], "Empty": [],
            "Labels": { "b": "2", "a.b": "1" },
        });
        Template::parse(template)?.fill(&data)
    }

    #[track_caller]
    fn gives(template: &str, text: &str) {
        assert_eq!(filled(template).as_deref(), Ok(text), "{template}");
    }

    #[test]
    fn paths_and_text() {
        gives("{{.Name}} is {{ .State.Status }}", "web is running");
        gives("no action } {", "no action } {");
        gives(
            "{{.Pid}}{{/* a note */}} {{$.Running}} {{.None}} {{.Ratio}}",
            "7 true <no value> 1.5",
        );
        gives("a {{- .Pid -}} b", "a7b");
        gives("{{.Env}} {{.Labels}}", "[A=1 B=2] map[a.b:1 b:2]");
        gives("{{\"}}\"}}{{`a\\`}}{{\"\\t\\\"\"}}", "}}a\\\t\"");
    }

    #[test]
    fn functions_and_pipes() {
        gives("{{json .Env}} {{.State | json}}", r#"["A=1","B=2"] {"Code":0,"Status":"running"}"#);
        gives("{{index .Labels \"a.b\"}}{{index .Labels \"c\"}}{{index .Env 1}}", "1B=2");
        gives("{{.Labels \"b\"}}", "2");
        gives("{{join .Env \",\"}} {{.Name | upper | lower}} {{title .Name}}", "A=1,B=2 web Web");
        gives("{{len .Env}}{{len .Name}} {{truncate .Name 2}}", "23 we");
        gives("{{range split \"a,b\" \",\"}}<{{.}}>{{end}}", "<a><b>");
        gives("{{printf \"%s-%d-%q%%\" .Name .Pid .Name}}", "web-7-\"web\"%");
        gives("{{println .Name .Pid}}{{print 1 2}}", "web 7\n1 2");
        gives("{{(index .Env 0) | printf \"%s!\"}}", "A=1!");
    }

    #[test]
    fn choices_and_ranges() {
        gives("{{if .Running}}up{{else}}down{{end}}", "up");
        gives("{{if .Empty}}a{{else if eq .Name \"db\" \"web\"}}b{{else}}c{{end}}", "b");
        gives("{{if and .Running (not .Empty)}}x{{end}}{{or .Empty .Name}}", "xweb");
        gives("{{if and (gt .Pid 6) (le .Pid 7) (ne .Pid 8)}}x{{end}}", "x");
        gives(
            "{{range .Env}}{{.}};{{else}}none{{end}}{{range .Empty}}x{{else}}none{{end}}",
            "A=1;B=2;none",
        );
        gives("{{range $k, $v := .Labels}}{{$k}}={{$v}} {{end}}", "a.b=1 b=2 ");
        gives("{{range $i, $e := .Env}}{{if $i}},{{end}}{{$e}}{{end}}", "A=1,B=2");
        gives(
            "{{with .State}}{{.Status}} {{$.Name}}{{end}}{{with .None}}x{{else}}y{{end}}",
            "running weby",
        );
        gives("{{with $s := .State}}{{$s.Code}}{{end}}", "0");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let says = |template: &str| filled(template).unwrap_err().to_string();
        assert_eq!(says("{{.State.Stats}}"), "there is no .Stats; there are: Code, Status");
        assert_eq!(says("{{.Name.First}}"), "\"web\" has no fields, and so no .First");
        assert_eq!(says("{{.Name"), "an action does not end");
        assert_eq!(says("{{\"x}}"), "a string does not end");
        assert_eq!(says("{{if .Name}}x"), "{{end}} is wanted here");
        assert_eq!(says("{{end}}"), "an action that {{end}} ends is wanted here");
        assert_eq!(says("{{$x}}"), "there is no variable $x");
        assert_eq!(says("{{.Name ?}}"), "'?' means nothing here");
        assert!(
            says("{{nothing}}").starts_with("there is no function \"nothing\"; there are: and,")
        );
        assert_eq!(says("{{}}"), "a value is wanted here");
        assert_eq!(says("{{.Name | .Pid}}"), "a function behind | is wanted here");
        assert_eq!(says("{{range .Name}}{{end}}"), "there is nothing to range over in \"web\"");
        assert_eq!(says(&format!("{{{{{}.}}}}", "(".repeat(99))), "it is nested too deeply");
        assert_eq!(says(&"{{if .}}".repeat(99)), "it is nested too deeply");
    }

    #[test]
    fn fields_are_known_before_there_is_anything() {
        let known = json!({ "Name": "NAME", "Labels": {} });
        let says = |template: &str| match Template::parse(template).unwrap().check(&known) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        let nope = "there is no .Nope; there are: Labels, Name";
        for bad in [
            "{{.Nope}}",
            "{{json .Nope}}",
            "{{.Name | printf \"%s%s\" $.Nope}}",
            "{{if .Nope}}{{end}}",
            "{{if .Name}}{{else}}{{.Nope}}{{end}}",
            "{{range .Labels}}{{$.Nope}}{{else}}{{end}}",
            "{{with .Name}}{{else}}{{.Nope}}{{end}}",
            "{{(lower .Nope)}}",
        ] {
            assert_eq!(says(bad), nope, "{bad}");
        }
        assert_eq!(says("{{.Name.First}}"), "\"NAME\" has no fields, and so no .First");
        for good in [
            "text",
            "{{.}} {{json .}} {{.Name}} {{.Labels \"x\"}}",
            "{{range .Labels}}{{.Any}}{{end}}{{with $x := .Name}}{{.Any}}{{$x.Any}}{{$.Name}}{{end}}",
        ] {
            assert_eq!(says(good), "good", "{good}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}.$|()a-z\"` -]{0,40}") {
            drop(filled(&text));
            drop(filled(&format!("{{{{{text}}}}}")));
        }
    }
}
