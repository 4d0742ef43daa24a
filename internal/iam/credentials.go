package iam

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Credentials are temporary: they stand for a session of a role until they expire.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
type Credentials struct {
	AccessKeyID     string // ASIA and 16 characters
	SecretAccessKey string // 40 characters
	SessionToken    string // opaque to clients
	Session         Session
}

// Session is a role that somebody has assumed.
type Session struct {
	Role       string    // the role's name
	RoleID     string    // tells a role from a later one of the same name
	Name       string    // such as the function's
	Expiration time.Time // in seconds

	// What narrows the session besides: a policy's text, and managed policies' ARNs with spaces between. Both empty: nothing does.
	Policy     string `json:",omitempty"`
	PolicyARNs string `json:",omitempty"`
}

// UserID is the session's unique id, as GetCallerIdentity shows it.
func (x Session) UserID() string { return x.RoleID + ":" + x.Name }

// ARN is the session's name in all of AWS. It leaves out the role's path.
func (x Session) ARN(account string) string {
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, x.Role, x.Name)
}

// issuer makes credentials of sessions and recognizes them. It remembers none: a token holds its session, sealed with a key
// that never leaves the issuer, and a secret follows from its access key and that key.
type issuer struct{ key [32]byte }

func newIssuer() *issuer {
	i := new(issuer)
	rand.Read(i.key[:]) //nolint:errcheck // it never fails
	return i
}

// sealed is what a token says.
type sealed struct {
	AccessKeyID string
	Session     Session
}

func (i *issuer) issue(x Session) Credentials {
	id := "ASIA" + rand.Text()[:16]
	text, err := json.Marshal(sealed{id, x})
	if err != nil {
		panic(err) // strings and a time
	}
	token := base64.StdEncoding.EncodeToString(append(i.mac("token", text), text...))
	return Credentials{AccessKeyID: id, SecretAccessKey: i.secret(id), SessionToken: token, Session: x}
}

// open reads a token of this issuer's; false if it is none, or belongs to another access key.
func (i *issuer) open(accessKeyID, token string) (x Session, ok bool) {
	b, err := base64.StdEncoding.DecodeString(token)
	if err != nil || len(b) < sha256.Size || !hmac.Equal(b[:sha256.Size], i.mac("token", b[sha256.Size:])) {
		return x, false
	}
	var s sealed
	if err := json.Unmarshal(b[sha256.Size:], &s); err != nil || s.AccessKeyID != accessKeyID {
		return x, false
	}
	return s.Session, true
}

func (i *issuer) secret(accessKeyID string) string {
	return base64.StdEncoding.EncodeToString(i.mac("secret", []byte(accessKeyID))[:30])
}

func (i *issuer) mac(purpose string, text []byte) []byte {
	h := hmac.New(sha256.New, i.key[:])
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write(text)
	return h.Sum(nil)
}

// IssueCredentials makes credentials of a session of a role, given by ARN or name. It does not ask the role's trust policy:
// [Service.AssumeRole] and [Service.RoleExists] do.
func (s *Service) IssueCredentials(role, session string, lifetime time.Duration) (Credentials, error) {
	return s.issue(role, Session{Name: session, Expiration: now().Add(lifetime)})
}

func (s *Service) issue(role string, x Session) (Credentials, error) {
	r, err := s.byARN(role)
	if err != nil {
		return Credentials{}, err
	}
	x.Role, x.RoleID = r.Role.RoleName, r.Role.RoleID
	return s.issuer.issue(x), nil
}

// Issued tells whether credentials are this lab's, whatever has become of them since.
func (s *Service) Issued(accessKeyID, token string) bool {
	_, ok := s.issuer.open(accessKeyID, token)
	return ok
}

// SessionOf tells whose session credentials are: an access key and the token of its requests. Those of a role that is gone
// are as invalid as those that nobody here has issued.
func (s *Service) SessionOf(accessKeyID, token string) (Session, error) {
	x, ok := s.issuer.open(accessKeyID, token)
	if r, err := s.find(x.Role); !ok || err != nil || r.Role.RoleID != x.RoleID {
		return Session{}, refuse(InvalidClientTokenID, "The security token included in the request is invalid")
	}
	if !now().Before(x.Expiration) {
		return Session{}, refuse(ExpiredToken, "The security token included in the request is expired")
	}
	return x, nil
}

// SessionSecret is the secret of a temporary access key, which a signature is checked with; false if the key is of another
// kind. That the key was issued, and to whom, its token says.
func (s *Service) SessionSecret(accessKeyID string) (secret string, ok bool) {
	if !strings.HasPrefix(accessKeyID, "ASIA") {
		return "", false
	}
	return s.issuer.secret(accessKeyID), true
}
