// Marks dist/cjs as CommonJS, since the package around it is of ES modules.
import { writeFileSync } from "node:fs";

writeFileSync(new URL("dist/cjs/package.json", import.meta.url), '{ "type": "commonjs" }\n');
