//! Visual Studio's files, read as a list of sources: .sln, .vcxproj (2010 and later), .vcproj.

use crate::arguments::extension;
use std::path::{Path, PathBuf};

#[derive(Debug, Default)]
pub(crate) struct Project {
    pub(crate) name: String,
    /// Where the project's own file is: precompiled headers are found there.
    pub(crate) folder: PathBuf,
    pub(crate) sources: Vec<PathBuf>,
    pub(crate) folders: Vec<PathBuf>,
    pub(crate) defines: Vec<String>,
    pub(crate) unicode: bool,
    /// No configuration is for 64 bits.
    pub(crate) only_32_bits: bool,
    pub(crate) standard: Option<String>,
    library: bool,
    references: Vec<PathBuf>,
}

/// The programs that `path` describes. A library that a program refers to is part of it.
pub(crate) fn programs(path: &Path) -> Result<Vec<Project>, String> {
    if extension(path) != "sln" {
        return Ok(vec![with_references(path, &folder_of(path), 0)?]);
    }
    let text = read(path)?;
    let mut programs = Vec::new();
    for line in text.lines().filter(|line| line.trim_start().starts_with("Project(")) {
        let Some(relative) = line.split('"').nth(5) else { continue };
        if !matches!(extension(Path::new(relative)).as_str(), "vcxproj" | "vcproj") {
            continue;
        }
        let Some(project) = crate::resolve::find(&folder_of(path), relative) else {
            return Err(format!("{}: names {relative}, which is not there.", path.display()));
        };
        let project = with_references(&project, &folder_of(path), 0)?;
        if !project.library {
            programs.push(project);
        }
    }
    if programs.is_empty() {
        return Err(format!("{}: has no C or C++ program.", path.display()));
    }
    Ok(programs)
}

fn with_references(path: &Path, solution: &Path, depth: usize) -> Result<Project, String> {
    let mut project = read_project(path, solution)?;
    if depth < 16 {
        for reference in std::mem::take(&mut project.references) {
            let other = with_references(&reference, solution, depth + 1)?;
            project.folders.extend(other.folders);
            project.sources.extend(other.sources);
        }
    }
    project.sources.dedup();
    Ok(project)
}

fn read_project(path: &Path, solution: &Path) -> Result<Project, String> {
    let text = read(path)?;
    let folder = folder_of(path);
    let name = path.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let mut project = Project { name, folder: folder.clone(), ..Project::default() };
    let old = extension(path) == "vcproj";
    let (element, attribute) = if old { ("File", "RelativePath") } else { ("ClCompile", "Include") };
    for item in elements(&text, element) {
        let Some(file) = item.attribute(attribute) else { continue };
        let compiled = matches!(extension(Path::new(&file.replace('\\', "/"))).as_str(), "c" | "cc" | "cpp" | "cxx");
        if !compiled || item.excluded() {
            continue;
        }
        let found = crate::resolve::find(&folder, &expand(&file, &folder, solution, &project.name));
        project.sources.push(found.ok_or_else(|| format!("{}: names {file}, which is not there.", path.display()))?);
    }
    let values = |name: &str| if old { attributes(&text, name) } else { release(&text, name) };
    for list in values("AdditionalIncludeDirectories").into_iter().chain(values("IncludePath")) {
        for entry in list.split([';', ',']).map(str::trim).filter(|entry| !entry.is_empty() && !entry.starts_with("%("))
        {
            let entry = expand(entry, &folder, solution, &project.name).replace('\\', "/");
            if !entry.contains("$(") {
                project.folders.push(folder.join(entry.trim_matches('"')));
            }
        }
    }
    for list in values("PreprocessorDefinitions") {
        let defines = list.split(';').map(str::trim).filter(|d| !d.is_empty() && !d.starts_with("%("));
        project.defines.extend(
            defines.filter(|d| !matches!(*d, "WIN32" | "_WIN32" | "_WINDOWS" | "_DEBUG" | "_LIB")).map(str::to_owned),
        );
    }
    project.unicode = values("CharacterSet").iter().any(|set| set == "Unicode" || (old && set == "1"));
    project.standard = values("LanguageStandard").into_iter().find_map(|standard| match standard.as_str() {
        "stdcpp14" => Some("-std=gnu++14".to_owned()),
        "stdcpp17" => Some("-std=gnu++17".to_owned()),
        "stdcpp20" | "stdcpplatest" => Some("-std=gnu++20".to_owned()),
        _ => None,
    });
    project.only_32_bits = !text.contains("|x64");
    let kinds = values("ConfigurationType");
    project.library = kinds.first().is_some_and(|kind| {
        kind == "StaticLibrary" || kind == "DynamicLibrary" || (old && (kind == "4" || kind == "2"))
    });
    for reference in elements(&text, "ProjectReference") {
        if let Some(other) = reference.attribute("Include").and_then(|file| crate::resolve::find(&folder, &file)) {
            project.references.push(other);
        }
    }
    Ok(project)
}

fn read(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: cannot be read: {e}", path.display()))?;
    Ok(crate::encoding::decode(&bytes, None, None).map_err(|e| format!("{}: {e}", path.display()))?.0)
}

fn folder_of(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
}

fn expand(text: &str, folder: &Path, solution: &Path, name: &str) -> String {
    let with_slash = |path: &Path| format!("{}/", std::path::absolute(path).unwrap_or(path.to_path_buf()).display());
    text.replace("$(ProjectDir)", &with_slash(folder))
        .replace("$(MSBuildThisFileDirectory)", &with_slash(folder))
        .replace("$(SolutionDir)", &with_slash(solution))
        .replace("$(ProjectName)", name)
}

/// One element of an XML file: its tag's text and what is inside.
struct Element<'a> {
    tag: &'a str,
    inside: &'a str,
}

impl Element<'_> {
    fn attribute(&self, name: &str) -> Option<String> {
        let at = self.tag.find(&format!("{name}=\""))? + name.len() + 2;
        let value = &self.tag[at..];
        Some(unescape(&value[..value.find('"')?]))
    }

    /// Left out of the build in each configuration, or in that for release.
    fn excluded(&self) -> bool {
        elements(self.inside, "ExcludedFromBuild").iter().any(|e| {
            e.inside.trim().eq_ignore_ascii_case("true") && (!e.tag.contains("Condition") || e.tag.contains("Release"))
        })
    }
}

fn elements<'a>(text: &'a str, name: &str) -> Vec<Element<'a>> {
    let opening = format!("<{name}");
    let closing = format!("</{name}>");
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(&opening) {
        rest = &rest[at + opening.len()..];
        if !rest.starts_with([' ', '>', '/', '\t', '\r', '\n']) {
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        let inside = if tag.ends_with('/') { "" } else { &rest[..rest.find(&closing).unwrap_or(0)] };
        found.push(Element { tag, inside });
    }
    found
}

/// The values of an element, of the release configuration for x64 if groups have conditions.
fn release(text: &str, name: &str) -> Vec<String> {
    let mut best: (u8, Vec<String>) = (0, Vec::new());
    for group in ["ItemDefinitionGroup", "PropertyGroup"] {
        for element in elements(text, group) {
            let rank = match element.attribute("Condition") {
                None => 3,
                Some(condition) if condition.contains("Release|x64") => 4,
                Some(condition) if condition.contains("Release") => 2,
                Some(_) => 1,
            };
            let values: Vec<String> =
                elements(element.inside, name).iter().map(|e| unescape(e.inside.trim())).collect();
            if !values.is_empty() && rank > best.0 {
                best = (rank, values);
            }
        }
    }
    best.1
}

/// The values of an attribute wherever it stands; of several configurations the last, for release.
fn attributes(text: &str, name: &str) -> Vec<String> {
    let mark = format!("{name}=\"");
    let value = text.rfind(&mark).map(|at| &text[at + mark.len()..]);
    value.and_then(|value| value.find('"').map(|end| vec![unescape(&value[..end])])).unwrap_or_default()
}

fn unescape(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&apos;", "'").replace("&amp;", "&")
}
