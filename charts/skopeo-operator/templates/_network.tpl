{{- /* Refuses what is no range of addresses. Input: field, ranges. */ -}}
{{- define "skopeo-operator.checkRanges" -}}
{{- $field := .field }}
{{- range $index, $range := .ranges }}
{{- if not (regexMatch "^(?:(?:[0-9]{1,3}\\.){3}[0-9]{1,3}/[0-9]{1,2}|[0-9a-fA-F.]*:[0-9a-fA-F:.]*/[0-9]{1,3})$" (toString $range)) }}
{{- fail (printf "%s[%d]: %q is not a range of addresses; write one such as 10.0.0.0/8, 10.1.2.3/32 or fd00::/8" $field $index (toString $range)) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Egress to name servers, and to all addresses but the denied ranges. Input: dnsPorts, deny, allow, pods. */ -}}
{{- define "skopeo-operator.egress" -}}
{{- $deny := dict "0.0.0.0/0" list "::/0" list }}
{{- range .deny }}
{{- $all := contains ":" . | ternary "::/0" "0.0.0.0/0" }}
{{- $_ := set $deny $all (append (get $deny $all) .) }}
{{- end -}}
# Name servers. Their addresses may be of the cluster, or link-local (NodeLocal DNSCache, the resolvers of clouds).
- ports:
    {{- range .dnsPorts }}
    - { protocol: UDP, port: {{ int . }} }
    - { protocol: TCP, port: {{ int . }} }
    {{- end }}
- to:
    {{- range $all, $except := $deny }}
    - ipBlock:
        cidr: {{ $all | quote }}
        {{- with $except }}
        except:
          {{- range uniq . }}
          - {{ . | quote }}
          {{- end }}
        {{- end }}
    {{- end }}
    {{- if .pods }}
    # Some network plugins do not count pods as addresses.
    - namespaceSelector: {}
    {{- end }}
    {{- range .allow }}
    - ipBlock: { cidr: {{ . | quote }} }
    {{- end }}
{{- end }}
