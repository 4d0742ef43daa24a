package labs

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Key signs requests to a lab's AWS API that do not come from its owner. Its file is what AWS's clients take for the output of
// a credential_process.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html
type Key struct {
	Version         int    // 1
	AccessKeyID     string `json:"AccessKeyId"` // AKIA and 16 of A-Z and 2-7, as a user's on AWS
	SecretAccessKey string // 40 characters
}

func newKey() Key {
	secret := make([]byte, 30)
	rand.Read(secret) //nolint:errcheck // it never fails
	return Key{1, "AKIA" + rand.Text()[:16], base64.StdEncoding.EncodeToString(secret)}
}

// KeyFile is where the lab's key is, for its user alone.
func (p Place) KeyFile() string { return filepath.Join(p.State, "key.json") }

// MakeKey makes the lab's key, if it has none. The lab's directories must be there.
func (p Place) MakeKey() error {
	f, err := os.OpenFile(p.KeyFile(), os.O_CREATE|os.O_EXCL|os.O_WRONLY|syscall.O_NOFOLLOW, 0o600)
	if errors.Is(err, fs.ErrExist) {
		if _, err := ReadKey(p.KeyFile()); err == nil {
			return nil
		}
		if err := os.Remove(p.KeyFile()); err != nil { // half written
			return fmt.Errorf("lab %s: key: %w", p.Name, err)
		}
		return p.MakeKey()
	}
	if err == nil {
		err = errors.Join(json.NewEncoder(f).Encode(newKey()), f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("lab %s: key: %w", p.Name, err)
	}
	return nil
}

// ReadKey reads a lab's key from its file.
func ReadKey(path string) (k Key, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(b, &k); err != nil || k.AccessKeyID == "" || k.SecretAccessKey == "" {
		return Key{}, fmt.Errorf("%s holds no key; remove it, and the next 'enilab up' makes one", path)
	}
	return k, nil
}
