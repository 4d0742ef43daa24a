package wildcard

import (
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything at all", true},
		{"AWS Lambda VPC ENI*", "AWS Lambda VPC ENI-hello-1f", true},
		{"AWS Lambda VPC ENI*", "aws lambda vpc eni", false},
		{"eni-?", "eni-a", true},
		{"eni-?", "eni-", false},
		{"eni-?", "eni-ä", true},
		{"*-b", "a-b-c", false},
		{"*a*b", "xaxbxb", true},
		{`a\*b`, "a*b", true},
		{`a\*b`, "axb", false},
		{`a\?`, "a?", true},
		{`a\\`, `a\`, true},
		{`a\`, `a\`, true},
		{"[a]", "[a]", true},
		{"a?c", "abc", true},
		{"a*c", "abcbc", true},
		{"a*b", "abcbc", false},
		{"**", "x", true},
		{"abc", "abcd", false},
	} {
		if got := CompileEscaped(tt.pattern).Matches(tt.text); got != tt.want {
			t.Errorf("%q, %q: %v", tt.pattern, tt.text, got)
		}
	}
	if CompileEscaped(strings.Repeat("a*", 500) + "b").Matches(strings.Repeat("a", 10_000)) {
		t.Error("matched what it must not")
	}
}

// Without escapes a backslash is a character like others.
func TestCompile(t *testing.T) {
	for text, want := range map[string]bool{`a\x`: true, `a\`: true, "a*": false, `b\`: false} {
		if got := Compile(`a\*`).Matches(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	if !Compile("ec2:*NetworkInterface?").Matches("ec2:DescribeNetworkInterfaces") {
		t.Error("an action is not matched")
	}
}

// FuzzPattern compares with the standard library, whose * and ? mean the same where there are no slashes and brackets.
func FuzzPattern(f *testing.F) {
	f.Add("a*b?", "axxbc")
	f.Add(`\*`, "*")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if strings.ContainsAny(pattern, "[]/") || strings.Contains(text, "/") || !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			t.Skip()
		}
		want, err := path.Match(pattern, text)
		if err != nil { // ends in a backslash
			t.Skip()
		}
		if got := CompileEscaped(pattern).Matches(text); got != want {
			t.Errorf("%q, %q: %v", pattern, text, got)
		}
	})
}
