package lambda

import "testing"

func TestNames(t *testing.T) {
	s := &Service{Config: Config{Region: "us-east-1", Account: "123456789012"}}
	for name, want := range map[string][2]string{
		"f":                         {"f", ""},
		"f:1":                       {"f", "1"},
		"f:$LATEST":                 {"f", "$LATEST"},
		"123456789012:function:f":   {"f", ""},
		"123456789012:function:f:7": {"f", "7"},
		"arn:aws:lambda:us-east-1:123456789012:function:f":      {"f", ""},
		"arn:aws:lambda:us-east-1:123456789012:function:f:":     {"f", ""},
		"arn:aws:lambda:us-east-1:123456789012:function:f:live": {"f", "live"},
		"arn:aws:lambda:lab-2:123456789012:function:f":          {},
		"arn:aws:lambda:us-east-1:210987654321:function:f":      {},
		"210987654321:function:f":                               {},
		"":                                                      {"", ""},
	} {
		function, qualifier, err := s.parse(name)
		if got := [2]string{function, qualifier}; got != want || (err != nil) != (want[0] == "" && name != "") {
			t.Errorf("%q is %q, %v; want %q", name, got, err, want)
		}
	}
	for _, c := range []struct{ name, qualifier, want string }{
		{"f", "", "f"}, {"f", "1", "f:1"}, {"f:1", "1", "f:1"}, {"f:1", "2", ""}, {"arn:aws:lambda:us-east-1:123456789012:function:f", "$LATEST", "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST"},
	} {
		if got, err := Qualify(c.name, c.qualifier); got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q with %q is %q, %v; want %q", c.name, c.qualifier, got, err, c.want)
		}
	}
	for arn, want := range map[string]bool{
		"arn:aws:iam::123456789012:role/lambda": true, "arn:aws:iam::123456789012:role/service-role/a.b@c": true,
		"lambda": false, "arn:aws:iam::1:role/x": false, "arn:aws:iam::123456789012:user/x": false, "arn:aws:iam::123456789012:role/": false, "arn:aws:iam::123456789012:role/a b": false,
	} {
		if isRoleARN(arn) != want {
			t.Errorf("%q is a role: %v", arn, !want)
		}
	}
}
