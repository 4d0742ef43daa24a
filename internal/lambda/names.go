package lambda

import (
	"fmt"
	"strconv"
	"strings"
)

// latestVersion is the name of the version that is not published.
const latestVersion = "$LATEST"

// These are no regular expressions: every start of the program would compile them.

func isFunctionName(s string) bool {
	return 1 <= len(s) && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && r != '-' }) < 0
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

// arn names a function, or with a qualifier a version of it.
func (s *Service) arn(function, qualifier string) string {
	arn := fmt.Sprintf("arn:aws:lambda:%s:%s:function:%s", s.Region, s.Account, function)
	if qualifier != "" {
		arn += ":" + qualifier
	}
	return arn
}

// Qualify joins a name or ARN of a function with a qualifier that was given apart from it, as the API's Qualifier is.
// Every method that takes a name takes one with a qualifier, unless it says otherwise.
func Qualify(name, qualifier string) (string, error) {
	if qualifier == "" {
		return name, nil
	}
	base, own := cutQualifier(name)
	if own != "" && own != qualifier {
		return "", refuse(InvalidParameterValue, "The derived qualifier from the function name does not match the specified qualifier.")
	}
	return base + ":" + qualifier, nil
}

// cutQualifier takes the qualifier off "name:1", "account:function:name:1" or "arn:…:function:name:1".
func cutQualifier(name string) (base, qualifier string) {
	start := strings.LastIndex(name, "function:")
	if start = max(start, 0); start > 0 {
		start += len("function:")
	}
	if at := strings.IndexByte(name[start:], ':'); at >= 0 {
		return name[:start+at], name[start+at+1:]
	}
	return name, ""
}

// parse finds the function's name and the qualifier in what a request names. Another account's or Region's function is
// none that is here.
func (s *Service) parse(name string) (function, qualifier string, err error) {
	if strings.IndexByte(name, ':') < 0 {
		return name, "", nil
	}
	base, qualifier := cutQualifier(name)
	switch parts := strings.Split(base, ":"); {
	case len(parts) == 1:
		return base, qualifier, nil
	case len(parts) == 3 && parts[0] == s.Account && parts[1] == "function":
		return parts[2], qualifier, nil
	case len(parts) == 7 && base == s.arn(parts[6], ""):
		return parts[6], qualifier, nil
	}
	return "", "", refuse(ResourceNotFound, "Function not found: %s", name)
}

// lookup finds a function by its name or ARN, which must have no qualifier but $LATEST.
func (s *Service) lookup(name string) (*function, error) {
	base, qualifier, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	if qualifier != "" && qualifier != latestVersion {
		return nil, refuse(InvalidParameterValue, "%s names a version; this can be done to the function as a whole only", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.functions[base]
	if f == nil {
		return nil, s.notFound(base, "")
	}
	return f, nil
}

// version finds a version by the name or ARN of a function with a qualifier; without one it is $LATEST.
func (s *Service) version(name string) (*version, error) {
	base, qualifier, err := s.parse(name)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	f := s.functions[base]
	s.mu.Unlock()
	if f == nil {
		return nil, s.notFound(base, qualifier)
	}
	if qualifier == "" || qualifier == latestVersion {
		return f.latest, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if number, err := strconv.Atoi(qualifier); err == nil {
		if v := f.versions[number]; v != nil && v.name == qualifier {
			return v, nil
		}
	}
	return nil, s.notFound(base, qualifier)
}

func (s *Service) notFound(function, qualifier string) error {
	return refuse(ResourceNotFound, "Function not found: %s", s.arn(function, qualifier))
}
