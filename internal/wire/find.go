package wire

// signedService is the service of the signature's scope; nil if there is none, or the server has it not.
func (x *exchange) signedService() *service {
	if x.auth == nil {
		return nil
	}
	return x.byName[x.auth.Service]
}

// findPath finds an operation of rest-json, in the service that the request is signed for or else in any. Some service is
// then the one to answer, whether it has the operation or not.
func (x *exchange) findPath() *route {
	path, query := x.r.URL.EscapedPath(), x.r.URL.RawQuery
	if x.service = x.signedService(); x.service != nil {
		return x.service.paths.find(x.r.Method, path, query)
	}
	for _, svc := range x.all {
		if svc.Protocol != RestJSON {
			continue
		}
		if x.service == nil {
			x.service = svc
		}
		if r := svc.paths.find(x.r.Method, path, query); r != nil {
			x.service = svc
			return r
		}
	}
	return nil
}

// findVersion finds the service of a form that is not signed: the one of the API's version, which no two share, or else
// one that has the action.
func (x *exchange) findVersion(action, version string) *service {
	var has *service
	for _, svc := range x.all {
		switch {
		case svc.Protocol == RestJSON:
		case svc.Version == version:
			return svc
		case has == nil && svc.routes[action] != nil:
			has = svc
		}
	}
	return has
}

// findAction finds an operation of the query protocols; nil if the service has it not. A version may be left out.
func (x *exchange) findAction(action, version string) *route {
	if x.service == nil || version != "" && version != x.service.Version {
		return nil
	}
	return x.service.routes[action]
}

// unknownAction refuses an action in the service's words.
func (x *exchange) unknownAction(action, version string) *Error {
	p := x.protocol()
	if p == EC2Query {
		return p.refuse(unknownOperation, "The action %s is not valid for this web service.", action)
	}
	return p.refuse(unknownOperation, "Could not find operation %s for version %s", action, version)
}
