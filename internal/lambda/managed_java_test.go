package lambda_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Payloads and log lines are those of AWS's runtime as its open part makes them (https://github.com/aws/aws-lambda-java-libs,
// aws-lambda-java-runtime-interface-client 2.8), and as
// https://docs.aws.amazon.com/lambda/latest/dg/java-exceptions.html and java-handler.html show them.
func TestJava(t *testing.T) {
	interpreted(t, "java21")
	code := javaZip(t)
	b := managedBed(t)
	layer := b.publish(t, "classes", entry{"java/lib/example.jar", 0o644, string(code)})
	b.behave(t, "java21", "example.Orders", []behaviour{
		// What handlers take and give.
		{name: "a record", code: code, event: `{"orderId":"o1","amount":2.5,"items":[{"name":"n","kind":"PEN"},{"kind":"none"}],"counts":{"a":1},"other":{}}`, payload: `"o1 2.5 [Item[name=n, kind=PEN], Item[name=null, kind=null]] {a=1} false"`},
		{name: "java17", runtime: "java17", code: code, event: `{"orderId":"o1","amount":1}`, payload: `"o1 1.0 null null false"`},
		{name: "a bean", handler: "example.Beans::move", code: code, event: `{"x":41,"far":9999999999,"isName":"n","open":"o","good":true,"MORE":[{"x":1}],"unknown":1}`, payload: `{"x":42,"far":9999999999,"isName":"n","open":"o","good":true,"more":[{"x":1,"good":false,"z":2}],"z":43}`},
		{name: "types", handler: "example.Beans::types", code: code, payload: `[1.50,7,2.5,"c","AQI=",[3],"o",null,5,"NaN","\"\u0001ü","2026-01-02"]`},
		{name: "a static method", handler: "example.Beans::twice", code: code, event: `21`, payload: `42`},
		{name: "the least memory", memory: 128, handler: "example.Beans::twice", code: code, event: `4`, payload: `8`},
		{name: "null", handler: "example.Beans::nothing", code: code, payload: `null`},
		{name: "void", handler: "example.Beans::none", code: code, event: `"me"`, payload: `null`, log: []string{`^heard me$`, `^END`}},
		{name: "streams", handler: "example.Streams", code: code, event: `{"a": 1}`, payload: `{"raw":{"a": 1}}`},
		{name: "a method of streams", handler: "example.Streams::copy", code: code, event: `[ 1 ]`, payload: `[ 1 ]`},
		{name: "context", handler: "example.Streams::context", code: code, event: `{"n":1.5}`, payload: `[1.5,true,"$LATEST",512,true,36,true,null,null]`},
		{name: "types through classes between", handler: "example.Failures$Derived", code: code, event: `["four"]`, payload: `4`},
		{name: "log", handler: "example.Streams::log", code: code, event: `"x"`, payload: `"x"`, log: []string{`^logged x$`, `^null$`, `^\[ERROR\] an error$`, `^printed ü$`}},
		{name: "classes of a layer", layers: []string{layer.ARN}, files: map[string]string{"x": ""}, handler: "example.Beans::twice", event: `2`, payload: `4`},
		{name: "classes of a library", files: map[string]string{"lib/example.jar": string(code)}, handler: "example.Beans::twice", event: `2`, payload: `4`},
		{
			name: "JSON", handler: "example.Streams::log", code: code, event: `"x"`, payload: `"x"`, env: map[string]string{"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN", "JAVA_TOOL_OPTIONS": "-Dx=y"},
			log: []string{`^Picked up JAVA_TOOL_OPTIONS: -Dx=y$`, `^{"timestamp":"[^"]*Z","message":"logged x","level":"UNDEFINED","AWSRequestId":"[0-9a-f-]{36}"}$`, `^{"timestamp":"[^"]*Z","level":"UNDEFINED"`, `"message":"an error","level":"ERROR"`},
		},

		// Errors.
		{
			name: "throws", handler: "example.Failures", code: code, event: `"x"`, kind: "java.lang.IllegalStateException",
			payload: `{"errorMessage":"too far","errorType":"java.lang.IllegalStateException","stackTrace":\["example.Failures.handleRequest\(Failures.java:9\)"(,"example.Failures.handleRequest\(Failures.java:6\)")?\]}`,
			log: []string{
				`^too far: java.lang.IllegalStateException$`, `^java.lang.IllegalStateException: too far$`, `^\tat example.Failures.handleRequest\(Failures.java:9\)$`,
				`^Caused by: java.lang.RuntimeException: the reason$`, `^END RequestId`, `Status: error\tError Type: java.lang.IllegalStateException`,
			},
		},
		{name: "throws without a message", handler: "example.Failures::checked", code: code, event: `"x"`, kind: "java.lang.Exception", payload: `{"errorMessage":"java.lang.Exception","errorType":"java.lang.Exception","stackTrace":\["example.Failures.checked\(Failures.java:12\)",.*`},
		{
			name: "an event of another type", code: code, event: `{"amount":"much"}`, kind: "java.lang.RuntimeException", payload: `{"errorMessage":"An error occurred during JSON parsing","errorType":"java.lang.RuntimeException","stackTrace":\[\]}`,
			log: []string{`^An error occurred during JSON parsing: java.lang.RuntimeException$`, `^Caused by: java.lang.IllegalArgumentException: Cannot deserialize value of type .java.lang.Double. from "much"$`},
		},
		{name: "an answer without an end", handler: "example.Beans::self", code: code, kind: "java.lang.RuntimeException", payload: `{"errorMessage":"An error occurred during JSON serialization of response".*`},
		{name: "exits", handler: "example.Failures::exit", code: code, event: `"x"`, kind: "Runtime.ExitError", payload: `.*exit status 3.*`},
		{name: "overflows", handler: "example.Failures::overflow", code: code, event: `1`, kind: "java.lang.StackOverflowError", payload: `{"errorMessage":"java.lang.StackOverflowError".*`},
		{name: "no class", handler: "example.Gone", code: code, kind: "java.lang.ClassNotFoundException", payload: `{"errorMessage":"Class not found: example.Gone","errorType":"java.lang.ClassNotFoundException"}`, log: []string{`^Class not found: example.Gone: java.lang.ClassNotFoundException$`}},
		{name: "no method", handler: "example.Beans::gone", code: code, failed: true, payload: `{"errorMessage":"No public method named gone with appropriate method signature found on class example.Beans"}`},
		{name: "no interface", handler: "example.Failures$NoInterface", code: code, failed: true, payload: `{"errorMessage":"Class does not implement an appropriate handler interface: example.Failures\$NoInterface"}`},
		{name: "no type", handler: "example.Failures$Open", code: code, failed: true, payload: `{"errorMessage":"Class example.Failures\$Open does not implement RequestHandler with concrete type parameters: parameter T has no upper bound."}`},
		{name: "no constructor", handler: "example.Failures$Private::handle", code: code, kind: "java.lang.Exception", payload: `{"errorMessage":"Class example.Failures\$Private has no public zero-argument constructor","errorType":"java.lang.Exception"}`, log: []string{`^Caused by: java.lang.NoSuchMethodException`}},
		{name: "a class that another needs", handler: "example.Failures$Needs::handle", code: without(t, code, "example/Failures$Needed.class"), kind: "java.lang.NoClassDefFoundError", payload: `{"errorMessage":"Error loading class example.Failures\$Needs: example/Failures\$Needed","errorType":"java.lang.NoClassDefFoundError"}`, log: []string{`^START`, `^Error loading class`}},
		{name: "no name", handler: "::x", code: code, failed: true, payload: `{"errorMessage":"Invalid handler: .::x'"}`},
		{name: "constructor fails", handler: "example.Failures$Constructor::handle", code: code, kind: "java.lang.IllegalArgumentException", payload: `{"errorMessage":"no instance","errorType":"java.lang.IllegalArgumentException"}`, log: []string{`^no instance: java.lang.IllegalArgumentException$`, `^START`}},
		{name: "initializer fails", handler: "example.Failures$Initializer::handle", code: code, kind: "java.lang.ExceptionInInitializerError", payload: `{"errorMessage":"Error loading class example.Failures\$Initializer","errorType":"java.lang.ExceptionInInitializerError"}`},
	})
}

// without is an archive without one of its files.
func without(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	must(t, err)
	var entries []entry
	for _, f := range z.File {
		if f.Name == name {
			continue
		}
		r, err := f.Open()
		must(t, err)
		b, err := io.ReadAll(r)
		must(t, err)
		entries = append(entries, entry{f.Name, f.Mode(), string(b)})
	}
	if len(entries) != len(z.File)-1 {
		t.Fatalf("no %s in the archive", name)
	}
	return zipOf(entries...)
}

// javaZip compiles the functions of testdata/java against the runtime's own classes.
func javaZip(t *testing.T) []byte {
	t.Helper()
	if _, err := exec.LookPath("javac"); err != nil {
		t.Skip("there is no javac to compile the functions with: apt-get install default-jdk-headless")
	}
	dir := t.TempDir()
	sources, err := filepath.Glob("testdata/java/example/*.java")
	must(t, err)
	args := append([]string{"--release", "17", "-classpath", "../runtimes/files/enilab-runtime.jar", "-d", dir}, sources...)
	if said, err := exec.CommandContext(t.Context(), "javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, said)
	}
	classes, err := filepath.Glob(dir + "/example/*.class")
	must(t, err)
	var entries []entry
	for _, c := range classes {
		b, err := os.ReadFile(c)
		must(t, err)
		entries = append(entries, entry{"example/" + filepath.Base(c), 0o644, string(b)})
	}
	return zipOf(entries...)
}
