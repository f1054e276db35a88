{{- /* "true" if the values have a policy. One with an empty list of rules refuses every Image. */ -}}
{{- define "skopeo-operator.hasPolicy" -}}
{{ not (empty .Values.policy) }}
{{- end }}

{{- /* Refuses what the operator would refuse in its POLICY_FILE, and what does not belong into a CEL expression. */ -}}
{{- define "skopeo-operator.checkPolicy" -}}
{{- if not (kindIs "map" .Values.policy) }}
{{- fail (printf "policy: %q is not a mapping; write rules: with a list of rules below it" (toString .Values.policy)) }}
{{- end }}
{{- range $key, $_ := .Values.policy }}
{{- if ne $key "rules" }}
{{- fail (printf "policy.%s: there is no such field; a policy has only rules" $key) }}
{{- end }}
{{- end }}
{{- if not (kindIs "slice" .Values.policy.rules) }}
{{- fail (printf "policy.rules: %q is not a list; write a list of rules" (toString .Values.policy.rules)) }}
{{- end }}
{{- $known := list "name" "deny" "namespaces" "sources" "destinations" "operatorCredentials" "allow" }}
{{- $words := dict "operatorCredentials" (list "source" "destination" "cloudIdentity") "allow" (list "privateHosts" "unverifiedTls" "unboundCredentials" "unverifiedCredentials") }}
{{- $names := dict }}
{{- range $index, $rule := .Values.policy.rules }}
{{- $at := printf "policy.rules[%d]" $index }}
{{- if not (kindIs "map" $rule) }}
{{- fail (printf "%s: %q is not a rule; write a mapping with a name" $at (toString $rule)) }}
{{- end }}
{{- range $key, $value := $rule }}
{{- if not (has $key $known) }}
{{- fail (printf "%s.%s: there is no such field; the fields of a rule are %s" $at $key (join ", " $known)) }}
{{- end }}
{{- if not (has $key (list "name" "deny")) }}
{{- if not (kindIs "slice" $value) }}
{{- fail (printf "%s.%s: %q is not a list; write a list" $at $key (toString $value)) }}
{{- end }}
{{- if and (empty $value) (not (hasKey $words $key)) }}
{{- fail (printf "%s.%s: is empty; remove the field to include everything, or write at least one entry" $at $key) }}
{{- end }}
{{- range $entry, $text := $value }}
{{- $field := printf "%s.%s[%d]" $at $key $entry }}
{{- if not (kindIs "string" $text) }}
{{- fail (printf "%s: %q is not a text; write a text, in quotes if need be" $field (toString $text)) }}
{{- end }}
{{- if hasKey $words $key }}
{{- if not (has $text (get $words $key)) }}
{{- fail (printf "%s: %q must be one of %s" $field $text (join ", " (get $words $key))) }}
{{- end }}
{{- else if eq $key "namespaces" }}
{{- if not (regexMatch "^[a-z0-9*-]{1,63}$" $text) }}
{{- fail (printf "%s: %q is not a namespace; write a name such as team-a, or a pattern such as team-*, in quotes" $field $text) }}
{{- end }}
{{- else }}
{{- include "skopeo-operator.checkPrefix" (dict "field" $field "text" $text) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $name := $rule.name }}
{{- if not (and (kindIs "string" $name) (regexMatch "^[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$" (toString $name))) }}
{{- fail (printf "%s.name: %q is not the name of a rule; write at most 63 letters, digits, dots, dashes and underscores, in quotes if need be" $at (toString $name)) }}
{{- end }}
{{- if hasKey $names $name }}
{{- fail (printf "%s.name: %q is the name of an earlier rule; give each rule its own name" $at $name) }}
{{- end }}
{{- $_ := set $names $name true }}
{{- if and (hasKey $rule "deny") (not (kindIs "bool" $rule.deny)) }}
{{- fail (printf "%s.deny: %q is neither true nor false; write true or false" $at (toString $rule.deny)) }}
{{- end }}
{{- range $key, $_ := $words }}
{{- if and $rule.deny (hasKey $rule $key) }}
{{- fail (printf "%s.%s: grants nothing in a rule with deny: true; remove the field" $at $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Refuses what is no host, or host and path. Input: field, text. */ -}}
{{- define "skopeo-operator.checkPrefix" -}}
{{- $host := regexFind "^[^/]*" .text }}
{{- if contains "*" .text }}
{{- fail (printf "%s: %q has a *; an entry is a host, or a host and a path, and includes every repository below it" .field .text) }}
{{- end }}
{{- if not (or (regexMatch "[.:]" $host) (eq $host "localhost")) }}
{{- fail (printf "%s: %q names no registry; write the host first, such as docker.io/library/nginx" .field .text) }}
{{- end }}
{{- $label := "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?" }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- if or (gt (atoi $port) 65535) (not (regexMatch (printf "^(?:%s(?:\\.%s)*|\\[[0-9a-fA-F:]+\\])(?::[0-9]{1,5})?$" $label $label) $host)) }}
{{- fail (printf "%s: %q names the registry %q; write a host, with a port if it needs one" .field .text $host) }}
{{- end }}
{{- if contains "/" .text }}
{{- $component := "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*" }}
{{- $path := trimPrefix (printf "%s/" $host) .text | replace "$(namespace)" "0namespace0" }}
{{- if not (regexMatch (printf "^%s(?:/%s)*$" $component $component) $path) }}
{{- fail (printf "%s: %q has no path of a repository; write lower-case names between slashes, without a tag; only $(namespace) stands for something" .field .text) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A list of texts in CEL, in which $(namespace) is the Image's namespace. */ -}}
{{- define "skopeo-operator.celTexts" -}}
{{ toJson . }}{{ if contains "$(namespace)" (join " " .) }}.map(text, text.replace('$(namespace)', variables.imageNamespace)){{ end }}
{{- end }}

{{- /* Whether a side of an Image is within prefixes, in CEL. Input: side, prefixes, deny. As src/domain/policy does in the operator: in a rule with deny a host without a port includes every port. */ -}}
{{- define "skopeo-operator.celWithin" -}}
{{- $hosts := list }}
{{- $paths := list }}
{{- range .prefixes }}
{{- $host := regexFind "^[^/]*" . }}
{{- $registry := lower $host | trimSuffix ":443" }}
{{- if has $registry (list "index.docker.io" "registry-1.docker.io") }}
{{- $registry = "docker.io" }}
{{- end }}
{{- if eq $host . }}
{{- $hosts = append $hosts $registry }}
{{- else }}
{{- $paths = append $paths (printf "%s/%s/" $registry (trimPrefix (printf "%s/" $host) .)) }}
{{- end }}
{{- end }}
{{- $side := .side }}
{{- $any := list }}
{{- with $hosts }}
{{- $any = append $any (printf "variables.%sRegistry in %s" $side (toJson .)) }}
{{- if $.deny }}
{{- $any = append $any (printf "variables.%sAnyPort in %s" $side (toJson .)) }}
{{- end }}
{{- end }}
{{- with $paths }}
{{- $includes := printf "variables.%sBelow.startsWith(p) || variables.%sShort == p" $side $side }}
{{- if $.deny }}
{{- $includes = printf "%s || variables.%sAnyPortBelow.startsWith(p) || variables.%sAnyPortShort == p" $includes $side $side }}
{{- end }}
{{- $any = append $any (printf "%s.exists(p, %s)" (include "skopeo-operator.celTexts" .) $includes) }}
{{- end -}}
({{ join " || " $any }})
{{- end }}

{{- /* A CEL expression in YAML. The API server compiles none of more than 100,000 characters. */ -}}
{{- define "skopeo-operator.cel" -}}
{{- if gt (len .) 100000 }}
{{- fail "policy.rules: the rules are too long for an admission policy; set admission.imagePolicy: false, and the operator alone enforces the policy" }}
{{- end -}}
{{ toJson . }}
{{- end }}

{{- /* The first five prefixes of a list, for a message. */ -}}
{{- define "skopeo-operator.someOf" -}}
{{- $all := . | default list -}}
{{- $some := gt (len $all) 5 | ternary (slice $all 0 (min 5 (len $all))) $all -}}
{{ join ", " $some }}{{ if gt (len $all) 5 }} and {{ sub (len $all) 5 }} more{{ end }}
{{- end }}

{{- /* The requirements of a label selector, as matchExpressions. Input: the text, as src/kube/LabelSelector.ts parses it. */ -}}
{{- define "skopeo-operator.matchExpressions" -}}
{{- range regexFindAll "[^,(]+(?:\\([^)]*\\))?" . -1 }}
{{- $term := trim . }}
{{- $values := list }}
{{- if regexMatch "^\\S+\\s+(?:in|notin)\\s*\\(" $term }}
{{- range regexReplaceAll "^[^(]*\\(([^)]*)\\)$" $term "${1}" | splitList "," }}
{{- $values = append $values (trim .) }}
{{- end }}
- { key: {{ regexFind "^\\S+" $term | quote }}, operator: {{ regexMatch "^\\S+\\s+in\\b" $term | ternary "In" "NotIn" }}, values: {{ toJson $values }} }
{{- else if contains "=" $term }}
- { key: {{ regexFind "^[^!=]+" $term | trim | quote }}, operator: {{ contains "!=" $term | ternary "NotIn" "In" }}, values: {{ list (regexReplaceAll "^[^=]*==?" $term "" | trim) | toJson }} }
{{- else }}
- { key: {{ trimPrefix "!" $term | trim | quote }}, operator: {{ hasPrefix "!" $term | ternary "DoesNotExist" "Exists" }} }
{{- end }}
{{- end }}
{{- end }}
