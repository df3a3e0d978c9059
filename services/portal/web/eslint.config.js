import ts from 'typescript-eslint'
import vue from 'eslint-plugin-vue'
import a11y from 'eslint-plugin-vuejs-accessibility'

// In scripts and in what templates compute; of their text no-bare-strings-in-template has a rule.
const words = {
  selector: ':matches(Literal[value=/\\p{Script=Han}/u], TemplateElement[value.raw=/\\p{Script=Han}/u])',
  message: '界面文字写在 zh-CN.json 里，这里用 t()',
}

export default ts.config(
  { ignores: ['**/dist/', '**/node_modules/', 'client/src/schema.d.ts', 'e2e/report/', 'e2e/results/'] },
  ts.configs.recommended,
  vue.configs['flat/recommended-error'],
  a11y.configs['flat/recommended'],
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
  },
  {
    rules: {
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/no-bare-strings-in-template': ['error', { allowlist: [...'：（），、。；·—✔✘✓⏸→/%　 -'] }], // signs are no words
      'vuejs-accessibility/label-has-for': ['error', { required: { some: ['nesting', 'id'] } }],
    },
  },
  {
    files: ['{client,portal,console}/**/*.{ts,vue}'],
    ignores: ['**/*.test.ts'],
    rules: { 'no-restricted-syntax': ['error', words], 'vue/no-restricted-syntax': ['error', words] },
  },
)
