package lambda

import (
	"encoding/json"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"

	"enilab/internal/runtimes"
)

// Limits of the Lambda API. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
const (
	minMemory, maxMemory, defaultMemory    = 128, 10_240, 128 // MB
	minTimeout, maxTimeout, defaultTimeout = time.Second, 15 * time.Minute, 3 * time.Second
	maxEnvironment                         = 4096             // bytes of all variables together
	maxEvent                               = 6 << 20          // bytes of a synchronous event
	maxDescription                         = 256              // characters
	maxHandler                             = 128              // characters
	minStorage, maxStorage, defaultStorage = 512, 10_240, 512 // MB in /tmp
)

// The OS-only runtimes: the code's own bootstrap is the runtime.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-provided.html
var osOnly = []string{"provided.al2023", "provided.al2"}

// Runtimes lists what a function's Runtime may be, if the machine has its interpreter.
func Runtimes() []string { return slices.Concat(osOnly, runtimes.Names()) }

// architecture is this machine's, in Lambda's words.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func (c FunctionConfiguration) check() error {
	if c.Role != "" {
		if err := CheckRoleARN(c.Role); err != nil {
			return err
		}
	}
	switch {
	case !slices.Contains(Runtimes(), c.Runtime):
		return refuse(InvalidParameterValue, "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: %v; for any other language put a bootstrap that starts it into the archive", c.Runtime, Runtimes())
	case c.Architecture != architecture():
		return refuse(InvalidParameterValue, "architecture %q: this machine is %s, and the lab runs code on it as it is", c.Architecture, architecture())
	case c.PackageType != "Zip":
		return refuse(InvalidParameterValue, "package type %q: the lab takes Zip archives only", c.PackageType)
	case len([]rune(c.Description)) > maxDescription:
		return refuse(InvalidParameterValue, "the description has %d characters; %d are allowed", len([]rune(c.Description)), maxDescription)
	case c.MemorySize < minMemory || c.MemorySize > maxMemory:
		return refuse(InvalidParameterValue, "memory size %d MB: it must be %d to %d", c.MemorySize, minMemory, maxMemory)
	case c.EphemeralStorage < minStorage || c.EphemeralStorage > maxStorage:
		return refuse(InvalidParameterValue, "ephemeral storage %d MB: it must be %d to %d", c.EphemeralStorage, minStorage, maxStorage)
	case c.Timeout < minTimeout || c.Timeout > maxTimeout:
		return refuse(InvalidParameterValue, "timeout %v: it must be %v to %v", c.Timeout, minTimeout, maxTimeout)
	case len([]rune(c.Handler)) > maxHandler || strings.ContainsFunc(c.Handler, unicode.IsSpace):
		return refuse(ValidationException, "1 validation error detected: Value '%.*s' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\\s]+", 2*maxHandler, c.Handler)
	case !slices.Contains(Modes, c.Mode):
		return refuse(InvalidParameterValue, "mode %q: it must be one of %v", c.Mode, Modes)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		if err := CheckVariable(name, c.Environment[name]); err != nil {
			return err
		}
	}
	return CheckVariables(c.Environment)
}

// CheckVariable refuses a variable that a function cannot have.
func CheckVariable(name, value string) error {
	switch {
	case !isVariableName(name) || strings.ContainsRune(value, 0):
		return refuse(InvalidParameterValue, "environment variable %q: a name has letters, digits and '_', starts with a letter and has at least two; a value has no NUL", name)
	case isReserved(name):
		return refuse(InvalidParameterValue, "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are currently not supported for modification. Reserved keys used in this request: %s", name)
	}
	return nil
}

// CheckVariables refuses variables that are too long together.
func CheckVariables(all map[string]string) error {
	if text, err := json.Marshal(all); err != nil || len(text) > maxEnvironment && len(all) > 0 {
		return refuse(InvalidParameterValue, "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. String measured: %s", text)
	}
	return nil
}

// CheckRoleARN refuses what cannot be a role's ARN. The control plane does without a role where none is given; who may
// not, asks here.
func CheckRoleARN(arn string) error {
	if !isRoleARN(arn) {
		return refuse(ValidationException, "1 validation error detected: Value '%s' at 'role' failed to satisfy constraint: Member must satisfy regular expression pattern: arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+", arn)
	}
	return nil
}

// vet checks what the configuration needs of others: an interpreter on this machine, and a role that exists and that may do
// what Lambda will do in its name.
func (s *Service) vet(c FunctionConfiguration) error {
	if r, managed := runtimes.Lookup(c.Runtime); managed {
		if _, err := s.interpreters.Find(s.open, r); err != nil {
			return refuse(InvalidParameterValue, "%w", err)
		}
	}
	if c.Role != "" && s.RoleExists != nil {
		if err := s.RoleExists(c.Role); err != nil {
			return &Error{Code: InvalidParameterValue, Message: "The role defined for the function cannot be assumed by Lambda.", cause: err}
		}
	}
	return s.checkRole(c)
}
