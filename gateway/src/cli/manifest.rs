//! `bellgate manifest check`: the verdicts of the gateway's manifest validation, offline.
//!
//! Exit status 0 if every document conforms, 1 if one does not, 2 if a schema, a document or an
//! option can't be used. Reads the files that it is given and nothing else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use bellgate_manifest::{KindSource, Limits, Rejection, SchemaSource, SchemaStore, Violation};
use clap::{Subcommand, ValueEnum};
use serde_json::{Map, Value, json};

/// The one kind of a check.
const KIND: &str = "document";
/// The most bytes of a schema file that are read.
const SCHEMA_BYTES: u64 = 64 << 20;

/// Manifest schemas, offline.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Compare documents with a schema, as the gateway would.
    ///
    /// Exit status: 0 if all conform, 1 if one does not, 2 if the schema or a file can't be used.
    Check(Check),
}

/// What to compare with what.
#[derive(clap::Args, Debug)]
struct Check {
    /// The schema: a file, or a place in it, as in `ontology.json#/$defs/Name`.
    #[arg(long, value_name = "FILE[#/POINTER]")]
    schema: String,
    /// How to tell the verdicts.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The most bytes that a document may have.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().bytes)]
    max_bytes: usize,
    /// The deepest that a document may nest.
    #[arg(long, value_name = "LEVELS", default_value_t = Limits::default().depth)]
    max_depth: usize,
    /// The most values that a document may have: the root, members and elements.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().members)]
    max_members: usize,
    /// The most violations that are listed for a document.
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().errors)]
    max_errors: usize,
    /// The documents; `-` reads standard input.
    #[arg(value_name = "DOCUMENT", required = true)]
    documents: Vec<String>,
}

/// How verdicts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line for each document, and a row for each violation.
    Text,
    /// One JSON object for each document, one per line.
    Json,
}

/// How a check ends; the worst of all documents counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Conforms = 0,
    Refused = 1,
    Unusable = 2,
}

/// Runs the command. Verdicts go to standard output, what can't be used to standard error.
#[must_use]
pub(crate) fn run(args: Args) -> ExitCode {
    let Command::Check(check) = args.command;
    let status = check.run(&mut io::stdout().lock(), &mut io::stderr().lock());
    ExitCode::from(match status {
        Ok(status) => status as u8,
        // Nobody reads the verdicts.
        Err(_) => Status::Unusable as u8,
    })
}

impl Check {
    fn run(&self, out: &mut impl Write, err: &mut impl Write) -> io::Result<Status> {
        let store = match self.store() {
            Ok(store) => store,
            Err(mistakes) => {
                for mistake in mistakes {
                    writeln!(err, "error: {mistake}")?;
                }
                return Ok(Status::Unusable);
            }
        };
        let mut worst = Status::Conforms;
        for name in &self.documents {
            let shown = if name == "-" { "standard input" } else { name };
            let status = match read_document(name, self.max_bytes) {
                Ok(body) => self.tell(out, shown, store.validate(KIND, &body).err())?,
                Err(error) => {
                    writeln!(err, "error: `{shown}`: {error}")?;
                    Status::Unusable
                }
            };
            worst = worst.max(status);
        }
        Ok(worst)
    }

    fn store(&self) -> Result<SchemaStore, Vec<String>> {
        let (file, fragment) = split_schema(&self.schema);
        let text = read_text(file).map_err(|error| vec![format!("`{file}`: {error}")])?;
        let schema =
            SchemaSource { file: file.to_owned(), fragment: fragment.map(ToOwned::to_owned), text: text.into() };
        let limits = Limits {
            bytes: self.max_bytes,
            depth: self.max_depth,
            members: self.max_members,
            errors: self.max_errors,
            ..Limits::default()
        };
        SchemaStore::compile(vec![KindSource::single(KIND, schema)], limits)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    fn tell(&self, out: &mut impl Write, name: &str, rejection: Option<Rejection>) -> io::Result<Status> {
        match self.format {
            Format::Text => tell_text(out, name, rejection.as_ref())?,
            Format::Json => writeln!(out, "{}", verdict(name, rejection.as_ref()))?,
        }
        Ok(match rejection {
            None => Status::Conforms,
            Some(_) => Status::Refused,
        })
    }
}

/// The file and the JSON pointer of `FILE#/POINTER`. A `#` that no `/` follows belongs to the name,
/// unless it ends it.
fn split_schema(schema: &str) -> (&str, Option<&str>) {
    if let Some(at) = schema.find("#/") {
        let (file, fragment) = schema.split_at(at);
        return (file, fragment.strip_prefix('#'));
    }
    (schema.strip_suffix('#').unwrap_or(schema), None)
}

fn read_text(file: &str) -> io::Result<String> {
    let bytes = read_up_to(File::open(Path::new(file))?, SCHEMA_BYTES)?;
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        io::Error::other(format!("not UTF-8 at byte {offset}, encode it as UTF-8"))
    })
}

/// Reads one byte more than is allowed at most, so that the store sees that it is too much.
fn read_document(name: &str, limit: usize) -> io::Result<Vec<u8>> {
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if name == "-" { read_up_to(io::stdin().lock(), most) } else { read_up_to(File::open(Path::new(name))?, most) }
}

fn read_up_to(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `records.json: conforms`, or what is wrong with it in aligned rows.
fn tell_text(out: &mut impl Write, name: &str, rejection: Option<&Rejection>) -> io::Result<()> {
    let Some(rejection) = rejection else {
        return writeln!(out, "{name}: conforms");
    };
    if rejection.violations.is_empty() {
        return writeln!(out, "{name}: refused, {}", rejection.cause);
    }
    let count = rejection.violations.len();
    let plural = if count == 1 { "" } else { "s" };
    let first = if rejection.truncated { "the first " } else { "" };
    writeln!(out, "{name}: refused, {first}{count} violation{plural}")?;
    let width = |column: fn(&Violation) -> &str| {
        let columns = rejection.violations.iter().map(column);
        columns.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let (paths, keywords) = (width(place), width(|violation| &violation.keyword));
    for violation in &rejection.violations {
        let (path, keyword) = (place(violation), &violation.keyword);
        let message = &violation.message;
        writeln!(out, "  {path:paths$}  {keyword:keywords$}  {message}")?;
    }
    Ok(())
}

/// Where a violation is, for a person.
fn place(violation: &Violation) -> &str {
    match violation.instance_path.as_str() {
        "" => "(whole document)",
        path => path,
    }
}

/// The verdict on one document for a program.
fn verdict(name: &str, rejection: Option<&Rejection>) -> Value {
    let mut verdict = Map::new();
    verdict.insert("document".to_owned(), json!(name));
    verdict.insert("conforms".to_owned(), json!(rejection.is_none()));
    if let Some(Value::Object(problem)) = rejection.map(Rejection::to_problem) {
        verdict.extend(problem);
    }
    Value::Object(verdict)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        args: Args,
    }

    const SCHEMA: &str = r#"{
        "$defs": {
            "Note": {
                "type": "object",
                "required": ["title"],
                "additionalProperties": false,
                "properties": {"title": {"type": "string", "maxLength": 5}}
            }
        }
    }"#;

    /// A folder with the schema and some documents, and a check of them.
    struct Bench(tempfile::TempDir);

    impl Bench {
        fn new() -> Self {
            let bench = Self(tempfile::tempdir().unwrap());
            bench.write("schema.json", SCHEMA);
            bench.write("good.json", r#"{"title": "short"}"#);
            bench.write("bad.json", r#"{"title": "secret-value", "secret_key": 1}"#);
            bench
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.path().join(name), text).unwrap();
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        /// Status, standard output and standard error, with the folder taken out.
        fn check(&self, schema: &str, options: &[&str], documents: &[&str]) -> (Status, String, String) {
            let mut line = vec!["manifest".to_owned(), "check".to_owned()];
            line.extend(["--schema".to_owned(), self.path(schema)]);
            line.extend(options.iter().map(|option| (*option).to_owned()));
            line.extend(documents.iter().map(|document| self.path(document)));
            let Command::Check(check) = Program::parse_from(line).args.command;
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let status = check.run(&mut out, &mut err).unwrap();
            let folder = format!("{}/", self.0.path().display());
            let text = |bytes| String::from_utf8(bytes).unwrap().replace(&folder, "");
            (status, text(out), text(err))
        }
    }

    #[test]
    fn rows_are_aligned_and_hold_no_value() {
        let (status, out, err) = Bench::new().check("schema.json#/$defs/Note", &[], &["good.json", "bad.json"]);
        assert_eq!(status, Status::Refused);
        assert_eq!(
            out,
            "good.json: conforms\n\
             bad.json: refused, 2 violations\n  \
             /title       maxLength             expected at most 5 characters\n  \
             /secret_key  additionalProperties  not a member that the schema allows\n"
        );
        assert_eq!(err, "");
    }

    #[test]
    fn json_is_one_object_for_each_document() {
        let bench = Bench::new();
        let (status, out, _) =
            bench.check("schema.json#/$defs/Note", &["--format", "json"], &["good.json", "bad.json"]);
        assert_eq!(status, Status::Refused);
        let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0], json!({"document": "good.json", "conforms": true}));
        assert_eq!(lines[1]["conforms"], json!(false));
        assert_eq!(lines[1]["cause"], json!("schema"));
        assert_eq!(lines[1]["violations"].as_array().unwrap().len(), 2);
        assert!(!out.contains("secret-value"));
    }

    #[test]
    fn a_document_that_is_not_json_is_refused() {
        let bench = Bench::new();
        bench.write("twice.json", r#"{"title": "a", "\u0074itle": "b"}"#);
        let (status, out, _) = bench.check("schema.json", &[], &["twice.json"]);
        assert_eq!(status, Status::Refused);
        assert_eq!(out, "twice.json: refused, the key at byte 15 stands twice in its object, keep one\n");
    }

    #[test]
    fn limits_can_be_set() {
        let bench = Bench::new();
        let (status, out, _) = bench.check("schema.json", &["--max-bytes", "17"], &["good.json"]);
        assert_eq!(status, Status::Refused);
        assert!(out.contains("larger than 17 bytes"), "{out}");
        let (status, ..) = bench.check("schema.json", &["--max-bytes", "18"], &["good.json"]);
        assert_eq!(status, Status::Conforms);
    }

    #[test]
    fn what_cannot_be_used_is_told_with_status_2() {
        let bench = Bench::new();
        bench.write("wrong.json", r#"{"type": "strnig", "pattern": "(?=a)"}"#);
        for (schema, document, message) in [
            ("schema.json#/$defs/Nota", "good.json", "did you mean `#/$defs/Note`?"),
            ("absent.json", "good.json", "No such file"),
            ("wrong.json", "good.json", "at `#/type`"),
            ("schema.json", "absent.json", "No such file"),
        ] {
            let (status, out, err) = bench.check(schema, &[], &[document]);
            assert_eq!(status, Status::Unusable, "{schema} {document}");
            assert_eq!(out, "");
            assert!(err.starts_with("error: "), "{err}");
            assert!(err.contains(message), "{err}");
        }
    }

    #[test]
    fn the_schema_is_split_at_its_pointer() {
        for (schema, file, fragment) in [
            ("a.json", "a.json", None),
            ("a.json#", "a.json", None),
            ("a.json#/", "a.json", Some("/")),
            ("a.json#/$defs/N", "a.json", Some("/$defs/N")),
            ("a#b.json#/$defs/N", "a#b.json", Some("/$defs/N")),
        ] {
            assert_eq!(split_schema(schema), (file, fragment), "{schema}");
        }
    }
}
