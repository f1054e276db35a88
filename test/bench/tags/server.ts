/** The registry of `npm run bench -- tags`, in another process, so that its costs are not measured. */
import { createServer } from "node:http"
import { tagRegistry } from "../../support/tagListing.ts"

const [pageSize = "1000", ...sizes] = process.argv.slice(2)
const server = createServer(tagRegistry(sizes.map(Number), Number(pageSize)))
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  if (typeof address === "object" && address !== null) process.send?.(`127.0.0.1:${address.port}`)
})
process.once("disconnect", () => process.exit())
