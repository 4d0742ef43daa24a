// Package runtimes holds Lambda's managed runtimes as far as the lab has them: what AWS calls them, which program of this
// machine runs them, and the lab's own part between the Runtime API and a function's handler.
//
// AWS brings an interpreter with each runtime. The lab has those of the machine, and a distribution has one Node.js and one
// Python. A runtime whose very version is there gets that. Else it gets the nearest one, and the first line of the
// environment's log says so: most code from AWS's documentation does not depend on the difference, and where it does, it
// fails with the interpreter's own words.
package runtimes

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Dir is where functions find the files of their runtime, LAMBDA_RUNTIME_DIR.
const Dir = "/var/runtime"

//go:generate go run ./genjar

//go:embed files
var embedded embed.FS

// Files are the lab's own part of all managed runtimes, as they lie in Dir.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "files")
	if err != nil {
		panic(err) // the name is a good one
	}
	return files
}

// Runtime is a managed runtime. The zero Runtime is none.
type Runtime struct {
	Name     string // as AWS has it, such as "nodejs22.x"
	language *language
	version  version // of the language, as Name has it
}

// all lists what AWS supports today or did until this year, in the languages that the lab has a part for.
// https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-supported
var all = []Runtime{
	{"nodejs24.x", &node, version{24}},
	{"nodejs22.x", &node, version{22}},
	{"nodejs20.x", &node, version{20}},
	{"nodejs18.x", &node, version{18}},
	{"python3.14", &python, version{3, 14}},
	{"python3.13", &python, version{3, 13}},
	{"python3.12", &python, version{3, 12}},
	{"python3.11", &python, version{3, 11}},
	{"python3.10", &python, version{3, 10}},
	{"python3.9", &python, version{3, 9}},
	{"java25", &java, version{25}},
	{"java21", &java, version{21}},
	{"java17", &java, version{17}},
	{"java11", &java, version{11}},
}

// Names lists the managed runtimes.
func Names() (names []string) {
	for _, r := range all {
		names = append(names, r.Name)
	}
	return names
}

// Lookup finds a managed runtime by its name.
func Lookup(name string) (Runtime, bool) {
	i := slices.IndexFunc(all, func(r Runtime) bool { return r.Name == name })
	if i < 0 {
		return Runtime{}, false
	}
	return all[i], true
}

// Command is what an environment executes, by paths inside. memory is the function's, in MB; variables are those that its
// configuration sets.
func (r Runtime) Command(i Interpreter, memory int, variables map[string]string) []string {
	return append([]string{i.Path}, r.language.arguments(start{r.version, parseVersion(i.Version), memory, variables})...)
}

// Variables are those that AWS sets for the runtime besides what it sets for all. A function's own take their place.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
func (r Runtime) Variables() map[string]string { return r.language.variables(r.version) }

// language is what the runtimes of a language have in common.
type language struct {
	name      string                 // as people write it
	tag       string                 // as AWS's log has it
	brings    string                 // the Debian package with its interpreter
	least     version                // the oldest that the lab's own part runs on
	complete  []string               // arguments with which an interpreter fails that lacks what the lab's own part needs; nil: none does
	programs  func(version) []string // where interpreters may be, as patterns below the root, the most likely first
	arguments func(start) []string
	variables func(version) map[string]string
}

// start is what an interpreter's arguments depend on.
type start struct {
	wanted, is version
	memory     int               // MB
	variables  map[string]string // the function's own
}

var node = language{
	name: "Node.js", tag: "nodejs", brings: "nodejs", least: version{18},
	programs: func(v version) []string { return inPath("node-"+v.String(), "node", "nodejs") },
	// The bounds are AWS's: of the function's memory 90 % for what is old, 5 % for what is new.
	arguments: func(s start) []string {
		return append(
			withoutExperiments(s), "--expose-gc", "--max-http-header-size=81920", fmt.Sprintf("--max-semi-space-size=%d", s.memory*5/100),
			fmt.Sprintf("--max-old-space-size=%d", s.memory*90/100), Dir+"/index.mjs",
		)
	},
	variables: func(v version) map[string]string {
		return map[string]string{
			"NODE_PATH": "/opt/nodejs/node" + v.String() + "/node_modules:/opt/nodejs/node_modules:" + Dir + "/node_modules:" + Dir + ":/var/task",
		}
	},
}

// withoutExperiments switches off what Node.js has on by default and Lambda has not, unless the function's NODE_OPTIONS ask
// for it. https://docs.aws.amazon.com/lambda/latest/dg/lambda-nodejs.html, in 2025: "experimental features that Lambda disables"
func withoutExperiments(s start) (flags []string) {
	if slices.Compare(s.is, version{20, 17}) < 0 || s.is.is(version{21}) {
		return nil // it does not know them
	}
	for feature, runtimes := range map[string][]int{"require-module": {20, 22}, "detect-module": {22}} {
		if slices.Contains(runtimes, s.wanted[0]) && !strings.Contains(s.variables["NODE_OPTIONS"], "--experimental-"+feature) {
			flags = append(flags, "--no-experimental-"+feature)
		}
	}
	slices.Sort(flags)
	return flags
}

var python = language{
	name: "Python", tag: "python", brings: "python3", least: version{3, 9},
	complete: []string{"-IBc", "import http.client, json, logging"}, // Debian's python3-minimal has no json
	programs: func(v version) []string {
		names := []string{"python" + v.String(), "python3"}
		for minor := 9; minor < 20; minor++ { // a pattern would have all of /usr/bin read at each cold start
			names = append(names, fmt.Sprintf("python3.%d", minor))
		}
		return inPath(names...)
	},
	arguments: func(start) []string { return []string{Dir + "/bootstrap.py"} },
	variables: func(version) map[string]string { return map[string]string{"PYTHONPATH": Dir} },
}

var java = language{
	name: "Java", tag: "java", brings: "default-jre-headless", least: version{11},
	programs: func(version) []string { return append(inPath("java"), "usr/lib/jvm/*/bin/java") },
	// 85 % of the function's memory are AWS's bound for the heap. A machine with many processors and much memory is no
	// reason to start with more threads and pages.
	arguments: func(s start) []string {
		return []string{
			fmt.Sprintf("-XX:MaxHeapSize=%dk", s.memory*1024*85/100), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
			"-XX:-UsePerfData", "-classpath", Dir + "/enilab-runtime.jar", "enilab.runtime.Bootstrap",
		}
	},
	variables: func(version) map[string]string { return nil },
}

// inPath lists where a sandbox's PATH finds programs, below the root.
func inPath(names ...string) (paths []string) {
	for _, name := range names {
		paths = append(paths, "usr/local/bin/"+name, "usr/bin/"+name)
	}
	return paths
}
