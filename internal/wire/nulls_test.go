package wire

import (
	"encoding/json"
	"reflect"
	"testing"
)

// A null in a list or map is refused, in the sentence that LocalStack recorded of other values that are: test_lambda_api.snapshot.json.
func TestNulls(t *testing.T) {
	p := planOf(reflect.TypeFor[constrained]())
	const constraint = "' failed to satisfy constraint: "
	for body, want := range map[string]string{
		`{"Name":"null"}`: "",
		`{"Name":"f","Mode":null,"Chips":null,"VpcConfig":null,"Variables":null}`: "",
		`{"Name":null}`: "Value null at 'name" + constraint + "Member must not be null",
		`{"Name":"f","Variables":{"A1":"b","B1":null}}`:                        "Value at 'variables" + constraint + "Map value must satisfy constraint: [Member must not be null]",
		`{"Name":"f","Variables":{"A1": null }}`:                               "Value at 'variables" + constraint + "Map value must satisfy constraint: [Member must not be null]",
		`{"Name":"f","Chips":[null]}`:                                          "Value '[null]' at 'chips" + constraint + "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
		`{"Name":"f","Weights":{"1":null}}`:                                    "Value '{1=0.0}' at 'weights" + constraint + "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or equal to 0.0, Member must not be null]",
		`{"Name":"f","VpcConfig":{"Size":512,"SubnetIds":["subnet-1", null]}}`: "Value '[subnet-1, null]' at 'vpcConfig.subnetIds" + constraint + "Member must satisfy constraint: [Member must have length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression pattern: subnet-[0-9a-z]*, Member must not be null]",
		`{"Name":"f","Lists":[{"Size":512,"SubnetIds":["subnet-null"]}]}`:      "",
	} {
		var in constrained
		if err := json.Unmarshal([]byte(body), &in); err != nil {
			t.Fatal(err)
		}
		v := reflect.ValueOf(&in).Elem()
		got := ""
		if list := p.violations(v, "", p.nullsIn(v, []byte(body))); len(list) > 0 {
			got = validationError(list)
		}
		if want != "" {
			want = "1 validation error detected: " + want
		}
		if got != want {
			t.Errorf("%s\ngot  %s\nwant %s", body, got, want)
		}
	}
	for body, want := range map[string]bool{`{"a":"nullnull"}`: false, `{"a": null}`: true, `[1,null]`: true, `{"zip":"xxnull+null/null"}`: false, ``: false, `null`: false} {
		if hasNull([]byte(body)) != want {
			t.Errorf("%s has a null: %v", body, !want)
		}
	}
}
