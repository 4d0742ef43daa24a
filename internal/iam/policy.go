package iam

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Policy is a managed policy as GetPolicy shows it: AWS's or the account's.
type Policy struct {
	PolicyName       string
	PolicyID         string // ANPA and 17 characters
	ARN              string
	Path             string
	DefaultVersionID string
	Description      string `json:",omitempty"`
	CreateDate       time.Time
	UpdateDate       time.Time
	Tags             map[string]string `json:",omitempty"`

	AttachmentCount int `json:"-"` // roles that have it
	BoundaryCount   int `json:"-"` // roles that it is the permissions boundary of
}

// PolicyVersion is one document of a managed policy.
type PolicyVersion struct {
	VersionID  string // v1 and so on
	Document   string
	CreateDate time.Time
	IsDefault  bool `json:"-"`
}

// policyRecord is what is kept of a policy of the account's.
type policyRecord struct {
	Policy   Policy
	Versions []PolicyVersion // in the order in which they were made
	Last     int             // the last version's number; a deleted one's is not used again
}

// customerPolicy is a record with its default document parsed. It does not change; a change makes another.
type customerPolicy struct {
	policyRecord
	parsed document
}

// Limits of IAM. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const (
	maxPolicies          = 1500
	maxManagedSize       = 6144 // characters without white space
	maxVersions          = 5
	maxPolicyDescription = 1000
)

func (r policyRecord) parse() (*customerPolicy, error) {
	v, err := r.version(r.Policy.DefaultVersionID)
	if err != nil {
		return nil, err
	}
	d, err := parsePermissions(v.Document)
	return &customerPolicy{r, d}, err
}

func (r policyRecord) version(id string) (PolicyVersion, error) {
	at := slices.IndexFunc(r.Versions, func(v PolicyVersion) bool { return v.VersionID == id })
	if at < 0 {
		return PolicyVersion{}, noVersion(r.Policy.ARN, id)
	}
	return r.shown(r.Versions[at]), nil
}

func (r policyRecord) shown(v PolicyVersion) PolicyVersion {
	v.IsDefault = v.VersionID == r.Policy.DefaultVersionID
	return v
}

func noVersion(arn, id string) error {
	return refuse(NoSuchEntity, "Policy %s version %s does not exist or is not attachable.", arn, id)
}

// CreatePolicyInput asks for a managed policy.
type CreatePolicyInput struct {
	PolicyName     string
	Path           string // empty means "/"
	PolicyDocument string
	Description    string
	Tags           map[string]string
}

// CreatePolicy makes a managed policy of the account's.
func (s *Service) CreatePolicy(in CreatePolicyInput) (Policy, error) {
	in.Path = cmp.Or(in.Path, "/")
	switch {
	case !isName(in.PolicyName, 128):
		return Policy{}, badPolicyName()
	case !isPath(in.Path):
		return Policy{}, badPath()
	case utf8.RuneCountInString(in.Description) > maxPolicyDescription:
		return Policy{}, refuse(ValidationError, "1 validation error detected: Value at 'description' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicyDescription)
	}
	if err := checkTags("Policy", in.Tags); err != nil {
		return Policy{}, err
	}
	if err := checkManaged(in.PolicyDocument); err != nil {
		return Policy{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.policies {
		if strings.EqualFold(p.Policy.PolicyName, in.PolicyName) { // names differ by more than case
			return Policy{}, refuse(EntityAlreadyExists, "A policy called %s already exists. Duplicate names are not allowed.", in.PolicyName)
		}
	}
	if len(s.policies) >= maxPolicies {
		return Policy{}, refuse(LimitExceeded, "Cannot exceed quota for PoliciesPerAccount: %d", maxPolicies)
	}
	date := now()
	p := Policy{
		PolicyName: in.PolicyName, PolicyID: "ANPA" + rand.Text()[:17], ARN: fmt.Sprintf("arn:aws:iam::%s:policy%s%s", s.Account, in.Path, in.PolicyName),
		Path: in.Path, DefaultVersionID: "v1", Description: in.Description, CreateDate: date, UpdateDate: date, Tags: maps.Clone(in.Tags),
	}
	return p, s.keepPolicyLocked(policyRecord{Policy: p, Versions: []PolicyVersion{{VersionID: "v1", Document: in.PolicyDocument, CreateDate: date}}, Last: 1})
}

func badPolicyName() error {
	return refuse(ValidationError, "The specified value for policyName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_- and have a length of 1 to 128")
}

func checkManaged(source string) error {
	if err := checkLength("policyDocument", source); err != nil {
		return err
	}
	if size(source) > maxManagedSize {
		return refuse(LimitExceeded, "Cannot exceed quota for PolicySize: %d", maxManagedSize)
	}
	_, err := parsePermissions(source)
	return err
}

// changePolicy replaces a policy of the account's by what edit makes of its record.
func (s *Service) changePolicy(arn string, edit func(*policyRecord) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.customerLocked(arn)
	if err != nil {
		return err
	}
	rec := old.policyRecord
	rec.Versions, rec.Policy.Tags = slices.Clone(rec.Versions), maps.Clone(rec.Policy.Tags)
	if err := edit(&rec); err != nil {
		return err
	}
	return s.keepPolicyLocked(rec)
}

func (s *Service) keepPolicyLocked(rec policyRecord) error {
	p, err := rec.parse()
	if err != nil {
		return err
	}
	if err := s.policyTable.Put(rec.Policy.ARN, rec); err != nil {
		return refuse(ServiceFailure, "Keep policy %s: %v", rec.Policy.ARN, err)
	}
	s.policies[rec.Policy.ARN] = p
	return nil
}

// customerLocked finds a policy that may be changed.
func (s *Service) customerLocked(arn string) (*customerPolicy, error) {
	if _, ok := managed()[arn]; ok {
		return nil, refuse(AccessDenied, "Policy %s is AWS's and cannot be changed.", arn)
	}
	p := s.policies[arn]
	if p == nil {
		return nil, refuse(NoSuchEntity, "Policy %s was not found.", arn)
	}
	return p, nil
}

// documentLocked is what a managed policy allows.
func (s *Service) documentLocked(arn string) (d document, ok bool) {
	if p, ok := managed()[arn]; ok {
		return p.parsed(), true
	}
	if p, ok := s.policies[arn]; ok {
		return p.parsed, true
	}
	return d, false
}

// GetPolicy shows a managed policy.
func (s *Service) GetPolicy(arn string) (Policy, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := managed()[arn]; ok {
		return s.showPolicyLocked(p.Policy), nil
	}
	if p, ok := s.policies[arn]; ok {
		return s.showPolicyLocked(p.Policy), nil
	}
	return Policy{}, refuse(NoSuchEntity, "Policy %s was not found.", arn)
}

func (s *Service) showPolicyLocked(p Policy) Policy {
	p.Tags = maps.Clone(p.Tags)
	for _, r := range s.roles {
		if slices.Contains(r.Attached, p.ARN) {
			p.AttachmentCount++
		}
		if r.Role.PermissionsBoundary == p.ARN {
			p.BoundaryCount++
		}
	}
	return p
}

// ListPolicies shows AWS's policies, the account's, or both.
func (s *Service) ListPolicies(aws, account bool) (list []Policy) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if aws {
		for _, p := range managed() {
			list = append(list, s.showPolicyLocked(p.Policy))
		}
	}
	if account {
		for _, p := range s.policies {
			list = append(list, s.showPolicyLocked(p.Policy))
		}
	}
	slices.SortFunc(list, func(a, b Policy) int { return strings.Compare(a.ARN, b.ARN) })
	return list
}

// DeletePolicy removes a policy that nobody has and that has no version but its default.
func (s *Service) DeletePolicy(arn string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.customerLocked(arn)
	if err != nil {
		return err
	}
	shown := s.showPolicyLocked(p.Policy)
	switch {
	case shown.AttachmentCount > 0, shown.BoundaryCount > 0:
		return refuse(DeleteConflict, "Cannot delete a policy attached to entities.")
	case len(p.Versions) > 1:
		return refuse(DeleteConflict, "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.")
	}
	if err := s.policyTable.Delete(arn); err != nil {
		return refuse(ServiceFailure, "Remove policy %s: %v", arn, err)
	}
	delete(s.policies, arn)
	return nil
}

// CreatePolicyVersion gives a policy another document, in force or not.
func (s *Service) CreatePolicyVersion(arn, source string, setAsDefault bool) (v PolicyVersion, err error) {
	if err := checkManaged(source); err != nil {
		return v, err
	}
	return v, s.changePolicy(arn, func(r *policyRecord) error {
		if len(r.Versions) >= maxVersions {
			return refuse(LimitExceeded, "A managed policy can have up to %d versions. Before you create a new version, you must delete an existing version.", maxVersions)
		}
		r.Last++
		v = PolicyVersion{VersionID: "v" + strconv.Itoa(r.Last), Document: source, CreateDate: now()}
		r.Versions, r.Policy.UpdateDate = append(r.Versions, v), v.CreateDate
		if setAsDefault {
			r.Policy.DefaultVersionID = v.VersionID
		}
		v = r.shown(v)
		return nil
	})
}

// GetPolicyVersion shows one document of a managed policy. Of AWS's policies the lab has the one in force.
func (s *Service) GetPolicyVersion(arn, version string) (PolicyVersion, error) {
	all, err := s.ListPolicyVersions(arn)
	if err != nil {
		return PolicyVersion{}, err
	}
	at := slices.IndexFunc(all, func(v PolicyVersion) bool { return v.VersionID == version })
	if at < 0 {
		return PolicyVersion{}, noVersion(arn, version)
	}
	return all[at], nil
}

// ListPolicyVersions shows the documents of a managed policy, the newest first.
func (s *Service) ListPolicyVersions(arn string) (list []PolicyVersion, err error) {
	if p, ok := managed()[arn]; ok {
		return []PolicyVersion{{p.DefaultVersionID, p.text(), p.CreateDate, true}}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.customerLocked(arn)
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Backward(p.Versions) {
		list = append(list, p.shown(v))
	}
	return list, nil
}

// DeletePolicyVersion removes a version that is not in force.
func (s *Service) DeletePolicyVersion(arn, version string) error {
	return s.changePolicy(arn, func(r *policyRecord) error {
		v, err := r.version(version)
		if err != nil {
			return err
		}
		if v.IsDefault {
			return refuse(DeleteConflict, "Cannot delete the default version of a policy.")
		}
		r.Versions = slices.DeleteFunc(r.Versions, func(v PolicyVersion) bool { return v.VersionID == version })
		return nil
	})
}

// SetDefaultPolicyVersion puts a version in force.
func (s *Service) SetDefaultPolicyVersion(arn, version string) error {
	return s.changePolicy(arn, func(r *policyRecord) error {
		if _, err := r.version(version); err != nil {
			return err
		}
		r.Policy.DefaultVersionID, r.Policy.UpdateDate = version, now()
		return nil
	})
}

// RolesWithPolicy shows the roles that have a managed policy, attached or as their permissions boundary.
func (s *Service) RolesWithPolicy(arn string) (attached, bounded []Role, err error) {
	if _, err := s.GetPolicy(arn); err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		r := s.roles[name]
		if slices.Contains(r.Attached, arn) {
			attached = append(attached, r.copy())
		}
		if r.Role.PermissionsBoundary == arn {
			bounded = append(bounded, r.copy())
		}
	}
	return attached, bounded, nil
}
