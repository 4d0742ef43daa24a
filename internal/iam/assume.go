package iam

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// AssumeRoleInput asks for a session of a role.
type AssumeRoleInput struct {
	RoleARN     string
	SessionName string
	Seconds     int    // 900 to the role's MaxSessionDuration; zero means an hour
	ExternalID  string // what a trust policy may ask for
	Caller      string // ARN of who asks

	// The session may do only what these allow as well, if there are any.
	Policy     string   // a document
	PolicyARNs []string // managed policies
}

const minAssumed, assumedByDefault = 900, 3600 // seconds

// AssumeRole makes credentials of a session, if the role's trust policy lets the caller have one. What a session's own policies
// say of that, [Service.Authorize] tells; the lab's users may do all that a trust policy leaves to their account.
func (s *Service) AssumeRole(in AssumeRoleInput) (Credentials, error) {
	if in.Seconds == 0 {
		in.Seconds = assumedByDefault
	}
	switch {
	case !isSessionName(in.SessionName):
		return Credentials{}, refuse(ValidationError, `1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]* and have a length of 2 to 64`, in.SessionName)
	case in.Seconds < minAssumed || in.Seconds > maxSession:
		return Credentials{}, refuse(ValidationError, "1 validation error detected: Value '%d' at 'durationSeconds' failed to satisfy constraint: Member must have value between %d and %d", in.Seconds, minAssumed, maxSession)
	case !strings.HasPrefix(in.RoleARN, "arn:"):
		return Credentials{}, refuse(ValidationError, "%s is invalid", in.RoleARN)
	}
	r, err := s.byARN(in.RoleARN)
	if err != nil || !in.request(s.Account).allowed(r.trust) { // a stranger is not told whether there is such a role
		return Credentials{}, refuse(AccessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", in.Caller, in.RoleARN)
	}
	if in.Seconds > r.Role.MaxSessionDuration {
		return Credentials{}, refuse(ValidationError, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	if err := s.checkNarrowing(in); err != nil {
		return Credentials{}, err
	}
	return s.issue(in.RoleARN, Session{
		Name: in.SessionName, Expiration: now().Add(time.Duration(in.Seconds) * time.Second), Policy: in.Policy, PolicyARNs: strings.Join(in.PolicyARNs, " "),
	})
}

// The quotas of a session's policies. https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
const (
	maxSessionPolicy   = 2048 // characters of the document and the ARNs
	maxSessionPolicies = 10   // ARNs
)

// PackedPolicySize is how many percent a session's policies take of what they may.
func (in AssumeRoleInput) PackedPolicySize() int {
	return (len(in.Policy) + len(strings.Join(in.PolicyARNs, ""))) * 100 / maxSessionPolicy
}

// checkNarrowing refuses policies of a session that are none.
func (s *Service) checkNarrowing(in AssumeRoleInput) error {
	if in.Policy != "" {
		if _, err := parsePermissions(in.Policy); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, arn := range in.PolicyARNs {
		if _, ok := s.documentLocked(arn); !ok {
			return refuse(ValidationError, "The policy %s does not exist or is not attachable.", arn)
		}
	}
	switch {
	case len(in.PolicyARNs) > maxSessionPolicies:
		return refuse(ValidationError, "1 validation error detected: Value '[%s]' at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to %d", strings.Join(in.PolicyARNs, ", "), maxSessionPolicies)
	case in.PackedPolicySize() > 100:
		return refuse(PackedPolicyTooLarge, "Packed policy consumes %d%% of allotted space, please use smaller policy.", in.PackedPolicySize())
	}
	return nil
}

// Invites tells whether a role's trust policy lets the caller in by name, or everybody, and not as one of the account's: then it
// needs no policy of its own for it.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html ("in the same account, you can do either …")
func (s *Service) Invites(in AssumeRoleInput) bool {
	r, err := s.byARN(in.RoleARN)
	return err == nil && in.request("").allowed(r.trust)
}

func isSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && isName(s, 64)
}

// request is the question to the role's trust policy.
func (in AssumeRoleInput) request(account string) request {
	return request{action: "sts:AssumeRole", resource: "*", caller: in.Caller, account: account, context: map[string]string{
		"sts:externalid":       in.ExternalID,
		"sts:rolesessionname":  in.SessionName,
		"aws:principalarn":     principalARN(in.Caller),
		"aws:principalaccount": account,
		"aws:sourceaccount":    "",
		"aws:sourcearn":        "",
		"aws:principaltype":    principalType(in.Caller),
	}}
}

// principalARN is what policies call a caller: a session by its role.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
func principalARN(caller string) string {
	rest, ok := strings.CutPrefix(caller, "arn:aws:sts::")
	if account, role, cut := strings.Cut(rest, ":assumed-role/"); ok && cut {
		name, _, _ := strings.Cut(role, "/")
		return fmt.Sprintf("arn:aws:iam::%s:role/%s", account, name)
	}
	return caller
}

func principalType(caller string) string {
	switch {
	case strings.HasPrefix(caller, "arn:aws:sts::"):
		return "AssumedRole"
	case strings.HasSuffix(caller, ":root"):
		return "Account"
	}
	return "User"
}

// includesCaller tells whether a user, a role's session or their account is meant.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
func (p principal) includesCaller(caller, account string) bool {
	names := []string{"*", account, "arn:aws:iam::" + account + ":root", caller, principalARN(caller)}
	return p.any || slices.ContainsFunc(p.kind["AWS"], func(name string) bool {
		return slices.Contains(names, name) || withoutPath(name) == principalARN(caller)
	})
}

// withoutPath is a role's ARN as a session tells it.
func withoutPath(arn string) string {
	head, role, ok := strings.Cut(arn, ":role/")
	if !ok {
		return arn
	}
	return head + ":role/" + role[strings.LastIndexByte(role, '/')+1:]
}
