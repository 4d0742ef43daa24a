package api

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRefusedMembersAreOnThePage: who reads docs/differences.md learns of every member of EC2 that is refused.
func TestRefusedMembersAreOnThePage(t *testing.T) {
	page, err := os.ReadFile("../../docs/differences.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## EC2\n")
	section, _, _ = strings.Cut(section, "\n## ")
	files, err := filepath.Glob("ec2*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, member := range regexp.MustCompile(`notSupported\("(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			if !regexp.MustCompile(`\b` + member[1] + `\b`).MatchString(section) {
				t.Errorf("%s: %s is refused, and the page does not say so", file, member[1])
			}
		}
	}
	if found < 40 {
		t.Errorf("only %d members found", found)
	}
}
