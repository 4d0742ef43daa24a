package iam

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Role is a role as GetRole shows it.
type Role struct {
	RoleName                 string
	RoleID                   string // AROA and 17 characters
	ARN                      string
	Path                     string // "/", or "/…/"
	AssumeRolePolicyDocument string // JSON; the wire encodes it as a URL does
	Description              string `json:",omitempty"`
	MaxSessionDuration       int    // seconds
	CreateDate               time.Time
	PermissionsBoundary      string            `json:",omitempty"` // a managed policy's ARN
	Tags                     map[string]string `json:",omitempty"`
	Declared                 bool              `json:",omitempty"` // by a topology: the lab's own addition
}

// CreateRoleInput asks for a role.
type CreateRoleInput struct {
	RoleName                 string
	Path                     string // empty means "/"
	AssumeRolePolicyDocument string
	Description              string
	MaxSessionDuration       int    // seconds, an hour to twelve; zero means an hour
	PermissionsBoundary      string // a managed policy's ARN, or empty
	Tags                     map[string]string
	Declared                 bool
}

// LambdaTrust is the trust policy with which Lambda can assume a role.
const LambdaTrust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

// Limits of IAM. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxTrustSize           = 2048   // characters without white space
	maxInlineSize          = 10_240 // characters without white space, of all inline policies of a role
	maxAttached            = 10     // managed policies of a role
	maxRoles               = 1000
	maxTags                = 50
	maxDocument            = 131_072 // characters with white space, of any document in a request
	minSession, maxSession = 3600, 43_200
)

// isName holds for names of roles and policies. It is no regular expression, which every start of the
// program would compile.
func isName(s string, longest int) bool {
	return s != "" && len(s) <= longest && strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_+=,.@-", r) }) < 0
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

func isPath(s string) bool {
	return len(s) <= 512 && strings.HasPrefix(s, "/") && strings.HasSuffix(s, "/") && !strings.Contains(s, "//") &&
		strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// CreateRole makes a role without permissions.
func (s *Service) CreateRole(in CreateRoleInput) (Role, error) {
	if in.Path == "" {
		in.Path = "/"
	}
	if in.MaxSessionDuration == 0 {
		in.MaxSessionDuration = minSession
	}
	if err := in.check(); err != nil {
		return Role{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.roles {
		if strings.EqualFold(name, in.RoleName) { // names differ by more than case
			return Role{}, refuse(EntityAlreadyExists, "Role with name %s already exists.", in.RoleName)
		}
	}
	if in.PermissionsBoundary != "" {
		if _, ok := s.documentLocked(in.PermissionsBoundary); !ok {
			return Role{}, notAttachable(in.PermissionsBoundary)
		}
	}
	if len(s.roles) >= maxRoles {
		return Role{}, refuse(LimitExceeded, "Cannot exceed quota for RolesPerAccount: %d", maxRoles)
	}
	r := Role{
		RoleName: in.RoleName, RoleID: newRoleID(), ARN: s.roleARN(in.Path, in.RoleName), Path: in.Path,
		AssumeRolePolicyDocument: in.AssumeRolePolicyDocument, Description: in.Description, MaxSessionDuration: in.MaxSessionDuration,
		CreateDate: now(), PermissionsBoundary: in.PermissionsBoundary, Tags: maps.Clone(in.Tags), Declared: in.Declared,
	}
	return r, s.keepLocked(record{Role: r}, "created")
}

func (in CreateRoleInput) check() error {
	switch {
	case !isName(in.RoleName, 64):
		return refuse(ValidationError, "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have a length of 1 to 64")
	case !isPath(in.Path):
		return badPath()
	}
	if err := checkDescription(in.Description); err != nil {
		return err
	}
	if err := checkSession(in.MaxSessionDuration); err != nil {
		return err
	}
	if err := checkTags("Role", in.Tags); err != nil {
		return err
	}
	return checkTrust(in.AssumeRolePolicyDocument)
}

func badPath() error {
	return refuse(ValidationError, "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
}

func checkDescription(s string) error {
	if utf8.RuneCountInString(s) > 1000 {
		return refuse(ValidationError, "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to 1000")
	}
	return nil
}

func checkSession(seconds int) error {
	if seconds < minSession || seconds > maxSession {
		return refuse(ValidationError, "1 validation error detected: Value '%d' at 'maxSessionDuration' failed to satisfy constraint: Member must have value between %d and %d", seconds, minSession, maxSession)
	}
	return nil
}

func checkTrust(source string) error {
	if size(source) > maxTrustSize {
		return refuse(LimitExceeded, "Cannot exceed quota for ACLSizePerRole: %d", maxTrustSize)
	}
	if err := checkLength("assumeRolePolicyDocument", source); err != nil {
		return err
	}
	_, err := parseTrust(source)
	return err
}

func checkLength(field, source string) error {
	if source == "" || len(source) > maxDocument {
		return refuse(ValidationError, "1 validation error detected: Value at '%s' failed to satisfy constraint: Member must have length between 1 and %d", field, maxDocument)
	}
	return nil
}

// size counts as IAM does: without white space.
func size(source string) (n int) {
	for _, r := range source {
		if r != ' ' && r != '\t' && r != '\n' && r != '\r' {
			n++
		}
	}
	return n
}

// newRoleID makes an identifier in AWS's form.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
func newRoleID() string { return "AROA" + rand.Text()[:17] }

// GetRole shows a role.
func (s *Service) GetRole(name string) (Role, error) {
	r, err := s.find(name)
	if err != nil {
		return Role{}, err
	}
	return r.copy(), nil
}

func (r *role) copy() Role {
	shown := r.Role
	shown.Tags = maps.Clone(shown.Tags)
	return shown
}

// ListRoles shows all roles whose path begins with a prefix, ordered by name.
func (s *Service) ListRoles(pathPrefix string) (list []Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		if r := s.roles[name]; strings.HasPrefix(r.Role.Path, pathPrefix) {
			list = append(list, r.copy())
		}
	}
	return list
}

// UpdateRole changes what is not nil.
func (s *Service) UpdateRole(name string, description *string, maxSessionDuration *int) error {
	return s.change(name, func(r *record) error {
		if description != nil {
			r.Role.Description = *description
		}
		if maxSessionDuration != nil {
			r.Role.MaxSessionDuration = *maxSessionDuration
		}
		if err := checkDescription(r.Role.Description); err != nil {
			return err
		}
		return checkSession(r.Role.MaxSessionDuration)
	})
}

// UpdateAssumeRolePolicy replaces a role's trust policy.
func (s *Service) UpdateAssumeRolePolicy(name, source string) error {
	return s.change(name, func(r *record) error {
		r.Role.AssumeRolePolicyDocument = source
		return checkTrust(source)
	})
}

// DeleteRole removes a role that has no policies any more.
func (s *Service) DeleteRole(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findLocked(name)
	if err != nil {
		return err
	}
	switch {
	case len(r.Attached) > 0:
		return refuse(DeleteConflict, "Cannot delete entity, must detach all policies first.")
	case len(r.Inline) > 0:
		return refuse(DeleteConflict, "Cannot delete entity, must delete policies first.")
	}
	if err := s.table.Delete(name); err != nil {
		return refuse(ServiceFailure, "Remove role %s: %v", name, err)
	}
	delete(s.roles, name)
	s.tell(name, "deleted")
	return nil
}
