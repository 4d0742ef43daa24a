package lambda

import (
	"regexp"
	"strconv"
	"strings"
)

// partition is the one that labs are in.
const partition = "aws"

// latestVersion is the name of the version that is not published.
const latestVersion = "$LATEST"

// These are no regular expressions: every start of the program would compile them.

func isFunctionName(s string) bool {
	return 1 <= len(s) && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' }) < 0
}

// isAskedName is what requests may call a function: more than there can be, so that AWS answers with "not found".
func isAskedName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' && r != '.' }) < 0
}

func isVariableName(s string) bool {
	return len(s) >= 2 && s[0] != '_' && (s[0] < '0' || s[0] > '9') && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }) < 0
}

func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// isRoleARN: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html#lambda-CreateFunction-request-Role
func isRoleARN(s string) bool {
	rest, ok := strings.CutPrefix(s, "arn:aws:iam::")
	account, role, found := strings.Cut(rest, ":role/")
	return ok && found && len(account) == 12 && strings.Trim(account, "0123456789") == "" &&
		role != "" && strings.IndexFunc(role, func(r rune) bool { return !isWord(r) && !strings.ContainsRune("+=,.@-/", r) }) < 0
}

// FunctionRef names a function; with a qualifier, one version of it. It is what requests name functions by, once read: see
// Service.Ref.
type FunctionRef struct {
	Name      string
	Qualifier string // "$LATEST", the number of a version, or the name of an alias; empty: the function
}

// String is the name as requests have it, "my-function:1".
func (r FunctionRef) String() string {
	if r.Qualifier == "" {
		return r.Name
	}
	return r.Name + ":" + r.Qualifier
}

// functionARN is a FunctionRef with what stands before it: nothing in a name, the account in a partial ARN, and all of it
// in an ARN.
type functionARN struct {
	partition, region, account string
	FunctionRef
}

// String is a name, a partial ARN or an ARN, by what of it there is.
func (a functionARN) String() string {
	switch {
	case a.region != "":
		return "arn:" + a.partition + ":lambda:" + a.region + ":" + a.account + ":function:" + a.FunctionRef.String()
	case a.account != "":
		return a.account + ":function:" + a.FunctionRef.String()
	}
	return a.FunctionRef.String()
}

// parseFunctionARN reads the three forms of a function's name, each with or without a qualifier. It goes by the number of
// parts, since every part may read "function", too: an ARN that ends so names the function "function", as LocalStack has recorded
// of AWS (test_function_name_and_qualifier_validation, incomplete_arn).
// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#lambda-Invoke-request-FunctionName
func parseFunctionARN(s string) (a functionARN, ok bool) {
	parts := strings.Split(s, ":")
	switch n := len(parts); {
	case n <= 2:
		ok = true
	case n <= 4 && parts[1] == "function":
		a.account, parts = parts[0], parts[2:]
		ok = isAccount(a.account)
	case 6 <= n && n <= 8 && parts[0] == "arn" && parts[2] == "lambda":
		a.partition, a.region, a.account, parts = parts[1], parts[3], parts[4], parts[5:]
		ok = isPartition(a.partition) && isRegion(a.region) && isAccount(a.account)
		if n > 6 && parts[0] == "function" { // else it is left out, as the model's pattern has it, and may be the name
			parts = parts[1:]
		}
		ok = ok && len(parts) <= 2
	}
	a.Name = parts[0]
	if len(parts) == 2 {
		a.Qualifier = parts[1]
		ok = ok && isQualifier(a.Qualifier)
	}
	if !ok || !isAskedName(a.Name) {
		return functionARN{}, false
	}
	return a, true
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

func isPartition(s string) bool {
	return strings.HasPrefix(s, "aws") && strings.IndexFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' }) < 0
}

// isRegion is more lenient than AWS's pattern: a lab may call its Region as it likes.
func isRegion(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' }) < 0
}

// isQualifier: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#lambda-Invoke-request-Qualifier
func isQualifier(s string) bool {
	return 1 <= len(s) && len(s) <= 128 && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' && r != '$' && r != '.' }) < 0
}

// arn names a function, or with a qualifier a version of it.
func (s *Service) arn(function, qualifier string) string {
	return functionARN{partition, s.Region, s.Account, FunctionRef{function, qualifier}}.String()
}

// Ref reads how a request names a function: by its name or ARN, with a qualifier in it or beside it. Functions of another
// account or Region are refused as AWS does.
func (s *Service) Ref(name, qualifier string) (FunctionRef, error) {
	a, ok := parseFunctionARN(name)
	switch {
	case !ok && regexp.MustCompile("^("+functionNamePattern+")$").MatchString(name): // compiled here, not at every start
		return FunctionRef{}, refuse(InvalidParameterValue, "'%s' names no function: use NAME, ACCOUNT:function:NAME or "+
			"arn:aws:lambda:REGION:ACCOUNT:function:NAME, with :QUALIFIER behind it if one is meant", name)
	case !ok:
		return FunctionRef{}, refuse(ValidationException, "1 validation error detected: Value '%s' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", name, functionNamePattern)
	case qualifier != "" && !isQualifier(qualifier):
		return FunctionRef{}, refuse(ValidationException, "1 validation error detected: Value '%s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression pattern: %s", qualifier, qualifierPattern)
	case a.account != "" && a.account != s.Account: // the lab has no resource-based policies, which could allow it
		return FunctionRef{}, refuse(AccessDenied, "%s belongs to another account (this is %s), and no resource-based policy allows the action", a, s.Account)
	case a.partition != "" && a.partition != partition:
		return FunctionRef{}, refuse(ResourceNotFound, "Functions of the partition '%s' are not reachable in this one ('%s')",
			a.partition, partition)
	case a.region != "" && a.region != s.Region:
		return FunctionRef{}, refuse(ResourceNotFound, "Functions from '%s' are not reachable in this region ('%s')", a.region, s.Region)
	case qualifier != "" && a.Qualifier != "" && a.Qualifier != qualifier:
		return FunctionRef{}, refuse(InvalidParameterValue, "The derived qualifier from the function name does not match the specified qualifier.")
	case qualifier != "":
		a.Qualifier = qualifier
	}
	return a.FunctionRef, nil
}

// The patterns of the API's model, as its refusals show them. The first lets more through: an ARN without an account, or a
// second qualifier behind the name "function".
const (
	functionNamePattern = `(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:|(((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?))(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?`
	qualifierPattern    = `(|[a-zA-Z0-9$_-]+)`
)

// Function reads how a request names a function as a whole, where a version or alias would make no sense. $LATEST is
// understood as the function.
func (s *Service) Function(name string) (string, error) {
	ref, err := s.Ref(name, "")
	if err == nil && ref.Qualifier != "" && ref.Qualifier != latestVersion {
		err = refuse(InvalidParameterValue, "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify either a function name or an unqualified function ARN.")
	}
	return ref.Name, err
}

// lookup finds a function by its name.
func (s *Service) lookup(name string) (*function, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[name]
	if f == nil {
		return nil, s.notFound(FunctionRef{Name: name})
	}
	return f, nil
}

// version finds a version, of an alias the one that it names first; without a qualifier it is $LATEST.
func (s *Service) version(ref FunctionRef) (*version, error) {
	f, err := s.lookup(ref.Name)
	if err != nil {
		return nil, s.notFound(ref)
	}
	if ref.Qualifier == "" || ref.Qualifier == latestVersion {
		return f.latest, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	qualifier := ref.Qualifier
	if a, there := f.appendix.Aliases[qualifier]; there {
		if qualifier = a.FunctionVersion; qualifier == latestVersion {
			return f.latest, nil
		}
	}
	if number, err := strconv.Atoi(qualifier); err == nil {
		if v := f.versions[number]; v != nil && v.name == qualifier {
			return v, nil
		}
	}
	return nil, s.notFound(ref)
}

func (s *Service) notFound(ref FunctionRef) error {
	return refuse(ResourceNotFound, "Function not found: %s", s.arn(ref.Name, ref.Qualifier))
}
