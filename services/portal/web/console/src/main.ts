// The console of officials and institutions, served under /console/ at the staff door.
import { createApp } from 'vue'
import App from './App.vue'
import { findSession } from './session'
import { rememberSession } from './offline'
import { router } from './router'
import { guardUnsaved } from './unsaved'
import './theme.css'

guardUnsaved(router)
// Without an answer nobody is logged in: the page says so, and login says why it fails.
await findSession().catch(rememberSession)
createApp(App).use(router).mount('#app')
