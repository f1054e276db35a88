/** docs/fields.md: each field of an Image, from the schema of the CRD. */
import { specSchema, statusSchema, type StructuralSchema } from "../../src/domain/CustomResourceDefinition.ts"
import { code, codes, document, prose, table } from "./markdown.ts"

interface Field {
  readonly path: string
  readonly required: boolean
  readonly schema: StructuralSchema
}

const fieldsOf = (schema: StructuralSchema, path: string): ReadonlyArray<Field> =>
  Object.entries(schema.properties ?? {}).flatMap(([key, child]) => {
    const here = `${path}.${key}`
    return [
      { path: here, required: schema.required?.includes(key) ?? false, schema: child },
      ...fieldsOf(child, here),
      ...(child.items === undefined ? [] : fieldsOf(child.items, `${here}[]`))
    ]
  })

const typeOf = (schema: StructuralSchema): string => {
  if (schema.type === "array")
    return `list of ${schema.items?.type === "object" ? "objects" : `${schema.items?.type}s`}`
  return schema["format"] === "date-time" ? "time" : (schema.type ?? "")
}

/** The bounds that the API server checks. */
const boundsOf = (schema: StructuralSchema): string => {
  const number = (keyword: string) => (typeof schema[keyword] === "number" ? schema[keyword].toLocaleString("en") : "")
  const bounds = [
    ["minimum", "at least", ""],
    ["maximum", "at most", ""],
    ["maxLength", "at most", " characters"],
    ["maxItems", "at most", " entries"]
  ].flatMap(([keyword = "", words, unit]) => (number(keyword) === "" ? [] : [`${words} ${number(keyword)}${unit}`]))
  const one = schema.enum === undefined ? [] : [`one of ${codes(schema.enum)}`]
  const pattern = typeof schema["pattern"] === "string" ? [`of the form ${code(schema["pattern"])}`] : []
  return [...one, ...pattern, ...bounds].join(", ")
}

const defaultOf = ({ default: value }: StructuralSchema): string =>
  value === undefined ? "" : code(typeof value === "string" ? value : JSON.stringify(value))

const specTable = (): string =>
  table(
    ["field", "type", "default", "meaning", "allowed"],
    fieldsOf(specSchema(), "spec").map(({ path, required, schema }) => [
      code(path),
      typeOf(schema),
      required ? "required" : defaultOf(schema),
      prose(schema.description ?? ""),
      boundsOf(schema)
    ])
  )

const statusTable = (): string =>
  table(
    ["field", "type", "meaning"],
    fieldsOf(statusSchema(), "status").map(({ path, schema }) => [
      code(path),
      typeOf(schema),
      prose(schema.description ?? "")
    ])
  )

export const fieldsDocument = (): Promise<string> =>
  document("src/domain/Image.ts", [
    "# The fields of an Image",
    "`kubectl explain image.spec` and `kubectl explain image.status.conditions` print the same texts. `kubectl apply` refuses an Image with an unknown field. The API server refuses a value that is not allowed, and names the field.",
    "## spec",
    specTable(),
    "The API server also checks three rules about two fields:",
    ruleList(),
    "## status",
    "Only the operator writes the status. [Troubleshooting](troubleshooting.md) explains the reasons in it.",
    statusTable()
  ])

const ruleList = (): string => {
  const rules = specSchema()["x-kubernetes-validations"]
  return (Array.isArray(rules) ? rules : [])
    .map((rule: { readonly message: string }) => `- ${rule.message}.`)
    .join("\n")
}
